"""When frames are due, and how often they came."""

import math
import time
from collections import deque

_EARLY_S = 1e-6
"""A frame may be this early: seconds since 1970 are rounded to a quarter of it."""


class UnixClock:
    """Seconds since 1970 UTC that go forward as evenly as the system's best counter, whatever sets its clock."""

    def __init__(self) -> None:
        self._offset = time.time() - time.perf_counter()

    def __call__(self) -> float:
        """Return the time now."""
        return self._offset + time.perf_counter()


class FrameSchedule:
    """Frames at an even rate: frame k is due k / rate after the first, however late those before it were fetched.

    Args:
        rate: frames per second.
        most_late_s: a frame that is later than this starts the schedule anew; absent: all are made up for.
    """

    def __init__(self, rate: float, most_late_s: float = math.inf) -> None:
        self._rate, self._most_late_s = rate, most_late_s
        self._start: float | None = None
        self._taken = 0

    @property
    def rate(self) -> float:
        """Frames per second."""
        return self._rate

    def set_rate(self, rate: float) -> None:
        """Change the rate; the next frame is due one new period after the last one."""
        if self._start is not None and self._taken:
            self._start, self._taken = self._at(self._taken - 1), 1
        self._rate = rate

    def wait_s(self, now: float) -> float:
        """Return the seconds until the next frame is due, 0 when it is."""
        return 0.0 if self._start is None else max(0.0, self._at(self._taken) - now)

    def due(self, now: float) -> int:
        """Return how many frames are due and not taken; the first call starts the schedule."""
        if self._start is None:
            self._start = now
        return max(0, math.floor((now - self._start + _EARLY_S) * self._rate) + 1 - self._taken)

    def take(self, now: float) -> float:
        """Take a frame that is due; return when it was due."""
        if self._start is None or now - self._at(self._taken) > self._most_late_s:
            self._start, self._taken = now, 0
        at = self._at(self._taken)
        self._taken += 1
        return at

    def _at(self, k: int) -> float:
        return (self._start or 0.0) + k / self._rate


class FrameRate:
    """Measures frames per second over the last second."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def add(self, t: float) -> None:
        """Count a frame of time ``t``, s, not before the last one."""
        self._times.append(t)
        self._forget(t)

    def per_second(self, now: float) -> float:
        """Return the rate of the frames in the second before ``now``; 0 with fewer than two."""
        self._forget(now)
        if len(self._times) < 2 or self._times[-1] <= self._times[0]:
            return 0.0
        return (len(self._times) - 1) / (self._times[-1] - self._times[0])

    def _forget(self, now: float) -> None:
        # At 1 frame a second two are kept, or nothing could be said of so slow a camera.
        while self._times and self._times[0] < now - 1.5:
            self._times.popleft()
