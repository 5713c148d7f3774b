"""The same operation again, for a bounded time, while the store's server is away."""

import logging
import random
import time
from collections.abc import Iterator
from types import TracebackType

from opticstream.core.errors import StoreUnavailable

log = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 2.0


class Attempt:
    """One attempt: a context manager around the operation, which swallows StoreUnavailable unless it is the last one.

    Attributes:
        may_repeat: set it to False while something runs that must not be done twice.
        error: what ended the operation; None: nothing did.
    """

    def __init__(self, remaining_s: float, pause_s: float) -> None:
        self._until = time.monotonic() + remaining_s
        self._pause_s = pause_s
        self.may_repeat = True
        self.error: BaseException | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.error = error
        if not isinstance(error, StoreUnavailable) or not self.may_repeat or time.monotonic() >= self._until:
            return False
        time.sleep(min(self._pause_s, max(0.0, self._until - time.monotonic())))
        return True


class Attempts:
    """``for attempt in Attempts(60): with attempt: ...`` ends with the attempt that succeeds, or raises the last error."""

    def __init__(self, patience_s: float) -> None:
        self._until = time.monotonic() + patience_s

    def __iter__(self) -> Iterator[Attempt]:
        pause_s = _FIRST_PAUSE_S
        while True:
            attempt = Attempt(self._until - time.monotonic(), random.uniform(0.5, 1) * pause_s)
            yield attempt
            if not isinstance(attempt.error, StoreUnavailable):
                return
            if pause_s == _FIRST_PAUSE_S:
                log.warning("%s: %s; trying again", attempt.error.where, attempt.error.found)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
