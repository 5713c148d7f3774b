"""A motor that exists in a formula only."""

import math
from dataclasses import dataclass

from opticstream.core.errors import BadInput

_SPEEDS = (0.01, 1000.0)


@dataclass
class LinearMotion:
    """An axis that goes to its target at constant speed; a pure function of time between two commands.

    Times are of one clock that only goes forward, s; a time before the last command counts as that command's.

    Raises:
        BadInput: the limits are no interval, the speed is not 0.01 to 1000 nm/s, or the start is beyond the limits.
    """

    low: float = -10000.0
    """Lowest position, nm."""
    high: float = 10000.0
    """Highest position, nm."""
    speed: float = 100.0
    """nm/s, 0.01 to 1000."""
    start: float = 0.0
    """Position at first, nm."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise BadInput("motor limits", found=f"{self.low} to {self.high} nm", expected="two numbers that rise")
        _check_speed(self.speed)
        if not self.low <= self.start <= self.high:
            raise BadInput("motor start", found=f"{self.start} nm", expected=f"{self.low} to {self.high} nm")
        self._origin = self._target = float(self.start)
        self._since = -math.inf

    @property
    def target(self) -> float:
        """Where it goes, or is, nm."""
        return self._target

    def position(self, now: float) -> float:
        """Return where it is, nm."""
        distance = self._target - self._origin
        covered = self.speed * max(0.0, now - self._since)
        return self._target if covered >= abs(distance) else self._origin + math.copysign(covered, distance)

    def moving(self, now: float) -> bool:
        """Say whether it is under way."""
        return self.position(now) != self._target

    def arrives_in(self, now: float) -> float:
        """Return the seconds until it stands at its target."""
        return abs(self._target - self.position(now)) / self.speed

    def move(self, target: float, now: float) -> float:
        """Go to a target, from wherever it is; return the target, which is clipped to the limits.

        Raises:
            BadInput: the target is not a number.
        """
        if not math.isfinite(target):
            raise BadInput("motor target", found=f"{target} nm", expected="a number")
        self._restart(now)
        self._target = min(max(float(target), self.low), self.high)
        return self._target

    def stop(self, now: float) -> None:
        """Stand still where it is."""
        self._restart(now)
        self._target = self._origin

    def set_speed(self, speed: float, now: float) -> None:
        """Go on at another speed, nm/s.

        Raises:
            BadInput: it is not 0.01 to 1000.
        """
        _check_speed(speed)
        self._restart(now)
        self.speed = speed

    def _restart(self, now: float) -> None:
        self._origin = self.position(now)
        self._since = max(now, self._since)


def _check_speed(speed: float) -> None:
    if not _SPEEDS[0] <= speed <= _SPEEDS[1]:
        raise BadInput("motor speed", found=f"{speed} nm/s", expected=f"{_SPEEDS[0]:g} to {_SPEEDS[1]:g} nm/s")
