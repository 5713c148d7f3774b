"""How a watcher is told to stop."""

import time
from typing import Protocol

_SLICE_S = 0.05


class StopSignal(Protocol):
    """What ends a watcher; ``threading.Event`` is one, for callers in other threads."""

    def is_set(self) -> bool:
        """Return whether to stop."""
        ...

    def wait(self, timeout: float) -> bool:
        """Return whether to stop, after at most ``timeout`` seconds and at once when told."""
        ...


class HandlerStop:
    """A stop signal that a signal handler may set.

    ``threading.Event.set`` takes a lock; in a handler that interrupted ``wait`` at the wrong instruction the thread
    would wait for itself for ever. This one is a bare attribute, looked at twenty times a second.
    """

    def __init__(self) -> None:
        self._set = False

    def set(self) -> None:
        """Ask to stop."""
        self._set = True

    def is_set(self) -> bool:
        """Return whether `set` was called."""
        return self._set

    def wait(self, timeout: float) -> bool:
        """Sleep until `set` is called or ``timeout`` seconds have passed."""
        end = time.monotonic() + timeout
        while not self._set and (left := end - time.monotonic()) > 0:
            time.sleep(min(_SLICE_S, left))
        return self._set
