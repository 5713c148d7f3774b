"""Prefect's runner, ended by a signal, its runs first."""

import contextlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import psutil
from prefect.runner import Runner

_GRACE_S = 20.0
"""How long runs may take to give their units back before they are killed."""


class UntilSignal(Runner):
    """A runner that ends on SIGTERM as it does on Ctrl+C: its runs are told, waited for, then it stops.

    The one it inherits kills them, and calls a coroutine from its signal handler, which is then never awaited.
    """

    def handle_sigterm(self, *args: Any, **kwargs: Any) -> NoReturn:
        """End the runs, then :func:`asyncio.run`."""
        _end_runs()

    @staticmethod
    @contextmanager
    def on_interrupt() -> Iterator[None]:
        """Do the same on Ctrl+C while the body runs, and on SIGTERM between two runners; for the main thread."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, _end_runs) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)


def _end_runs(*_: Any) -> NoReturn:
    runs = psutil.Process().children(recursive=True)
    for run in runs:
        with contextlib.suppress(psutil.NoSuchProcess):
            run.terminate()
    psutil.wait_procs(runs, timeout=_GRACE_S)
    raise KeyboardInterrupt
