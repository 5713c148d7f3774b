"""What the parameters of locks may be."""

import math

import numpy as np

from opticstream.scope.bad_value import BadValue

NS = 1_000_000_000


def finite_number(name: str, value: float) -> float:
    """Return a parameter that must be a finite number.

    Raises:
        BadValue: it is not.
    """
    if isinstance(value, bool | str) or not isinstance(value, int | float | np.integer | np.floating):
        raise BadValue(name, found=repr(value), expected="a number")
    if not math.isfinite(value):
        raise BadValue(name, found=repr(value), expected="a finite number")
    return float(value)


class Pace:
    """When a lock has its turn: switched on, once every interval.

    Args:
        interval_s: seconds between two turns, more than 0.
    """

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self.on = False
        self._last_ns = 0

    def switch(self, now_ns: int, on: bool) -> None:
        """Switch on or off; the first turn is one interval after it was switched on."""
        if on and not self.on:
            self._last_ns = now_ns
        self.on = on

    @property
    def due_ns(self) -> int | None:
        """When the next turn is, ns since 1970; None while switched off."""
        return self._last_ns + round(self.interval_s * NS) if self.on else None

    def turn(self, now_ns: int) -> bool:
        """Say whether it is time, and if so wait for the next interval."""
        if self.due_ns is None or now_ns < self.due_ns:
            return False
        self._last_ns = now_ns
        return True
