"""A focus that is simulated."""

import time
from dataclasses import replace

from opticstream.scope.hardware_sim import LinearMotion
from opticstream.scope.managers.focus_motor import FocusMotorBase


class SimulatedFocusMotor(FocusMotorBase):
    """Moves at a constant speed between ±10,000 nm; simulated beads are seen from where it is.

    Args:
        speed_nm_s: 0.01 to 1,000 nm/s.
        limits_nm: lowest and highest z.

    Raises:
        BadInput: the speed is out of its range.
    """

    def __init__(self, speed_nm_s: float = 100.0, limits_nm: tuple[float, float] = (-10_000.0, 10_000.0)) -> None:
        super().__init__()
        self._motion = LinearMotion(*limits_nm, speed_nm_s)

    def connect(self) -> None:
        """There is nothing to connect to; one that was started anew stands where it was sent."""
        if "target" in self.kept:
            self._motion = replace(self._motion, start=float(self.kept["target"]))

    def disconnect(self) -> None:
        """There is nothing to let go."""

    def move_absolute(self, z: float) -> None:
        """Begin to move to z, nm."""
        self._motion.move(z, time.monotonic())

    def get_current_z(self) -> float:
        """Return where it is, nm."""
        return self._motion.position(time.monotonic())

    def get_is_moving(self) -> bool:
        """Return whether it moves."""
        return self._motion.moving(time.monotonic())

    def get_position_limits(self) -> tuple[float, float]:
        """Return the lowest and highest z, nm."""
        return self._motion.low, self._motion.high
