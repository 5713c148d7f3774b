"""A bar per long step, for commands that wait for it."""

from typing import Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from opticstream.cli.console import err


class StepBar:
    """Bars on standard error, on a terminal; elsewhere nothing."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=err, disable=not err.is_terminal)
        self._task: TaskID | None = None
        self._step = ""

    def show(self, step: str, done: int, total: int) -> None:
        """Take the numbers of a step, bytes."""
        if step != self._step or self._task is None:
            self._task, self._step = self._progress.add_task(step, total=total), step
        self._progress.update(self._task, completed=done, total=total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
