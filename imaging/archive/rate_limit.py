"""A limit on how many MB a second are copied, so that an archive leaves the network to the acquisition."""

import threading
import time
from collections.abc import Callable

_SLICE_S = 0.1
"""Longest sleep between two looks at whether to stop."""
_CREDIT_S = 0.5
"""How far a copy that fell behind may catch up; without it each hiccup would lower the average."""


class RateLimit:
    """A token bucket for several threads: on average exactly the rate, never more than half a second ahead of it."""

    def __init__(
        self,
        rate_mb_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Start with nothing owed.

        Args:
            rate_mb_s: MB (10⁶ bytes) a second; 0 is no limit.
            clock: seconds, never backwards.
            sleep: waits for some seconds.
        """
        self._bytes_s, self._clock, self._sleep = rate_mb_s * 1e6, clock, sleep
        self._lock = threading.Lock()
        self._free_at = clock()

    def wait(self, nbytes: int, check: Callable[[], object] | None = None) -> None:
        """Sleep until ``nbytes`` more may be copied, calling ``check`` at least every 0.1 s; what it raises ends it."""
        if self._bytes_s <= 0:
            return
        with self._lock:
            start = max(self._free_at, self._clock() - _CREDIT_S)
            self._free_at = start + nbytes / self._bytes_s
        while (left := start - self._clock()) > 0:
            if check is not None:
                check()
            self._sleep(min(left, _SLICE_S))
