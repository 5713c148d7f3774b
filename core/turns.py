"""One after the other, for people who may press Ctrl+C while they wait."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOOK_S = 0.5


@contextmanager
def taking_turns(lock: threading.Lock) -> Iterator[None]:
    """Hold a lock; Ctrl+C is heard while waiting for it, on Windows too, where one wait without end would not."""
    while not lock.acquire(timeout=_LOOK_S):
        pass
    try:
        yield
    finally:
        lock.release()
