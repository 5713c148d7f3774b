"""Until when nothing has to be heard of a process."""

import time
from typing import ClassVar

import numpy as np

from opticstream.scope.memory.shared_buffer import Fields, SharedBuffer


class SignOfLife(SharedBuffer):
    """One number: the monotonic time, s, at which a process began its turn, or at which it wakes; 0: neither yet.

    Windows, Linux and macOS count it from the computer's start, so that it is the same in all processes.

    Args:
        name: of the segment.
        create: make it; otherwise attach.

    Raises:
        BadInput: the name is taken, or there is no such segment.
    """

    _FIELDS: ClassVar[Fields] = {"until": (np.float64, (1,))}

    def __init__(self, name: str, create: bool) -> None:
        self._until = self._open(name, create)["until"]

    def expect(self, after_s: float) -> None:
        """Say that nothing has to be heard for so long."""
        self._until[0] = time.monotonic() + after_s

    def clear(self) -> None:
        """Say that the process has not begun; for who starts it."""
        self._until[0] = 0.0

    @property
    def until(self) -> float:
        """Until when nothing has to be heard, monotonic s."""
        return float(self._until[0])
