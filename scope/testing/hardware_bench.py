"""Checks of a hardware manager, each against the real thing in its own process."""

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.commands.focus import MoveFocusMotorAbsoluteCommand
from opticstream.scope.ipc import Command
from opticstream.scope.managers.focus_motor import FocusMotorBase
from opticstream.scope.managers.hardware import HardwareManagerBase
from opticstream.scope.testing.bench import Bench, check_picklable
from opticstream.scope.testing.not_conformant import NotConformant

Rows = NDArray[np.float64]

_ROWS = 10
_AHEAD_S = 1.0


class HardwareBench(Bench):
    """A scope with one hardware manager; each method is a check and raises :class:`NotConformant`.

    Args:
        make: makes the manager: its class, or a function.
        folder: see :class:`Bench`.
        patience_s: see :class:`Bench`.

    Raises:
        NotConformant: what is made is no hardware manager, or cannot be pickled.
    """

    def __init__(
        self, make: Callable[[], HardwareManagerBase], *, folder: Path | None = None, patience_s: float = 60.0
    ) -> None:
        made = make()
        what = type(made).__name__
        if not isinstance(made, HardwareManagerBase):
            raise NotConformant(what, found=f"a {what}", expected="a HardwareManagerBase")
        shape = made.buffer_shape
        if len(shape) != 2 or min(shape) < 1:
            raise NotConformant(f"{what}.buffer_shape", found=f"{shape}", expected="rows and columns, 1 or more")
        check_picklable(made, what)
        super().__init__(what, folder, patience_s)
        self.manager = made
        self.scope.add_hardware(made)

    @property
    def rows(self) -> Rows:
        """The rows that are in the buffer now, oldest first, (n, columns)."""
        found: Rows = self.scope._hardware_buffers[self.manager.name].newest(self.manager.buffer_shape[0])
        return found

    def fetches_rows(self, least: int = _ROWS) -> Rows:
        """Check that rows come, with times that are finite, rise, and are those of now; return them."""
        began = time.time()
        self._more(least)
        rows, times = self.rows, self.rows[:, 0]
        if not np.isfinite(times).all():
            raise self.wrong("times that are no numbers", "finite times, s since 1970, in the first column")
        if (np.diff(times) <= 0).any():
            raise self.wrong("times that do not rise", "a row later than the one before")
        if times[-1] > time.time() + _AHEAD_S or times[-1] < began - self.patience_s:
            raise self.wrong(f"a row of {times[-1]:.1f} s at {began:.1f} s", "times of now, s since 1970 (time.time())")
        return rows

    def saves_telemetry(self) -> Path:
        """Check that the rows stand in the text file beside the tracks; return its path."""
        path = self.folder / f"{type(self.manager).__name__}.txt"
        self.until(lambda: path.exists() and path.read_text("utf-8").count("\n") > 2, f"rows in {path.name}")
        with path.open(encoding="utf-8") as lines:
            title = lines.readline().removeprefix("#").split()
            saved = np.array([[float(value) for value in line.split()] for line in lines if line.endswith("\n")])
        columns = self.manager.telemetry_columns()
        if saved.shape[1] != self.manager.buffer_shape[1] or title != " ".join(columns).split():
            raise self.wrong(f"{saved.shape[1]} columns under {title}", f"those of {columns}")
        if len(np.unique(saved[:, 0])) != len(saved):
            raise self.wrong("rows that were saved twice", "each row once")
        known = self.rows
        both = np.isin(known[:, 0], saved[:, 0])
        if both.any() and not np.array_equal(known[both], saved[np.isin(saved[:, 0], known[:, 0])]):
            raise self.wrong("other values in the file than in the buffer", "the rows of the buffer")
        return path

    def answers(self, commands: Sequence[Command], holds: Callable[[Rows], object] = lambda rows: True) -> None:
        """Check that commands are answered without a warning, and that the device goes on.

        Args:
            commands: sent one after the other.
            holds: is called with the rows until it says true.
        """
        for command in commands:
            self.scope.send(command)
            self._more(2)
            self.no_problem(f"no complaint after {command}")
        self.until(lambda: holds(self.rows), f"that what {', '.join(map(str, commands))} asked for is in the rows")

    def moves(self) -> None:
        """Check that a focus motor goes where it is told, says so, and tells when it is there; by 100 nm and back."""
        if not isinstance(self.manager, FocusMotorBase):
            return
        self._more(1)
        start = float(self.rows[-1, 1])
        if not math.isfinite(start):
            raise self.wrong(f"a position of {start}", "a position in nm")
        for target in (start + 100.0, start):
            self.answers([MoveFocusMotorAbsoluteCommand(target)], partial(_there, target, self.manager.at_target_nm))

    def survives_a_kill(self) -> None:
        """Check that a process that was killed is started anew, connects, and goes on with its rows."""
        self.restart(self.manager)
        self.fetches_rows()
        self.no_problem("a device that is connected again without complaint")

    def lets_go(self) -> None:
        """Check that the process ends by itself with the scope: `disconnect` returned and did not raise."""
        self.ended_well(self.manager)

    def _more(self, least: int) -> None:
        buffer = self.scope._hardware_buffers[self.manager.name]
        before = buffer.written
        self.until(lambda: buffer.written >= before + least, f"{least} rows from fetch")


def _there(target: float, near: float, rows: Rows) -> bool:
    _, z, goes_to, at_target = rows[-1]
    return bool(abs(goes_to - target) < 1e-6 and at_target == 1 and abs(z - target) <= near)


def check_hardware(
    make: Callable[[], HardwareManagerBase],
    *,
    commands: Sequence[Command] = (),
    holds: Callable[[Rows], object] = lambda rows: True,
    folder: Path | None = None,
    patience_s: float = 60.0,
) -> None:
    """Run a hardware manager in a scope and check all that a scope expects of it.

    Args:
        make: makes the manager: its class, or a function.
        commands: what it is sent; answered without complaint.
        holds: is called with the rows (n, columns) after the commands until it says true.
        folder: where the scope saves; absent: a temporary one.
        patience_s: how long anything is waited for.

    Raises:
        NotConformant: (an AssertionError) the first thing that is not as it should be.
    """
    with HardwareBench(make, folder=folder, patience_s=patience_s) as bench:
        bench.fetches_rows()
        bench.saves_telemetry()
        bench.moves()
        bench.answers(commands, holds)
        bench.survives_a_kill()
        bench.saves_telemetry()
        bench.lets_go()
