"""Base of processes that own the focus."""

import math
import time
from abc import abstractmethod
from collections.abc import Sequence

from opticstream.scope.commands.focus import (
    MoveFocusMotorAbsoluteCommand,
    ReportFocusMotorLimitsCommand,
    RequestFocusMotorLimitsCommand,
)
from opticstream.scope.ipc import register_ipc_command
from opticstream.scope.managers.hardware import HardwareManagerBase
from opticstream.scope.scripts import register_script_command
from opticstream.scope.ui.controls import ControlPanelBase
from opticstream.scope.ui.focus_motor_panel import FocusMotorPanel
from opticstream.scope.ui.focus_motor_plot import FocusMotorPlot
from opticstream.scope.ui.plots import TimeSeriesPlotBase


class FocusMotorBase(HardwareManagerBase):
    """A motor that moves the focus. A scope has at most one.

    Its buffer has the rows time s, present z nm, target z nm, whether it is there (1 or 0); one whenever the motor
    moves or arrives, and at least each 0.05 s. A simulated camera shows its beads from where the newest row says.
    """

    buffer_shape = (100_000, 4)
    at_target_nm = 10.0
    """How near to its target it counts as there, nm."""
    _WRITE_S = 0.05

    def __init__(self) -> None:
        super().__init__()
        self._target = math.nan
        self._written_at = -math.inf
        self._was: tuple[float, bool] = (math.nan, False)

    def setup(self) -> None:
        """Connect to the motor."""
        self.connect()
        self._is_connected = True
        self._target = float(self.kept.get("target", self.get_current_z()))

    @abstractmethod
    def move_absolute(self, z: float) -> None:
        """Begin to move to z, nm."""

    @abstractmethod
    def get_current_z(self) -> float:
        """Return where it is, nm."""

    @abstractmethod
    def get_is_moving(self) -> bool:
        """Return whether it moves."""

    @abstractmethod
    def get_position_limits(self) -> tuple[float, float]:
        """Return the lowest and highest z, nm."""

    @property
    def target_z(self) -> float:
        """Where it was last told to go, nm."""
        return self._target

    def fetch(self) -> None:
        """Write where the motor is, when it has moved or it is time."""
        z, moving = float(self.get_current_z()), bool(self.get_is_moving())
        there = not moving and abs(z - self._target) <= self.at_target_nm
        now = time.monotonic()
        if (z, there) == self._was and now - self._written_at < self._WRITE_S:
            return
        self._was, self._written_at = (z, there), now
        self._buffer.write([[time.time(), z, self._target, float(there)]])

    @register_ipc_command(MoveFocusMotorAbsoluteCommand)
    @register_script_command(MoveFocusMotorAbsoluteCommand)
    def move_focus_motor_absolute(self, z: float) -> None:
        """Move to z, nm; beyond its limits it goes to the limit, with a warning."""
        lowest, highest = self.get_position_limits()
        target = min(max(z, lowest), highest)
        if target != z:
            self.warn(f"the focus cannot go to {z:g} nm", f"it goes to its limit, {target:g} nm")
        self._target = target
        self.keep(target=target)
        self.move_absolute(target)

    @register_ipc_command(RequestFocusMotorLimitsCommand)
    def request_focus_motor_limits(self) -> None:
        """Tell how far it can go."""
        self.send_ipc(ReportFocusMotorLimitsCommand(*self.get_position_limits()))

    def telemetry_columns(self) -> list[str]:
        """Return the names of the saved columns."""
        return ["timestamp", "current_z_nm", "target_z_nm", "at_target"]

    def plots(self) -> Sequence[TimeSeriesPlotBase]:
        """Return the plot of its z."""
        return [FocusMotorPlot(self.name)]

    def panels(self) -> Sequence[type[ControlPanelBase]]:
        """Return the panel that shows and moves it."""
        return [FocusMotorPanel]
