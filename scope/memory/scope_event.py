"""An event without a lock."""

import time
from typing import ClassVar

import numpy as np

from opticstream.scope.memory.fence import fence
from opticstream.scope.memory.shared_buffer import Fields, SharedBuffer

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.0005, 0.01


class ScopeEvent(SharedBuffer):
    """What ``multiprocessing.Event`` does, on one byte: a process that is killed while it waits or sets locks nobody.

    Args:
        name: of the segment.
        create: make it, not set; otherwise attach.

    Raises:
        BadInput: the name is taken, or there is no such segment.
    """

    _FIELDS: ClassVar[Fields] = {"flag": (np.uint8, (1,))}

    def __init__(self, name: str, create: bool) -> None:
        self._flag = self._open(name, create)["flag"]

    def set(self) -> None:
        """Let all who wait go on; what was written before is seen by who sees the event."""
        fence()
        self._flag[0] = 1

    def clear(self) -> None:
        """Make who comes next wait."""
        self._flag[0] = 0
        fence()

    def is_set(self) -> bool:
        """Return whether it is set."""
        found = bool(self._flag[0])
        fence()
        return found

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, ``timeout`` s at most, and return whether it is.

        It looks every 10 ms; who wants to be woken sooner, or by one thing of several, waits for a
        :class:`~opticstream.scope.memory.Doorbell`.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = _FIRST_WAIT_S
        while not self.is_set():
            left = pause if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return self.is_set()
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_WAIT_S)
        return True
