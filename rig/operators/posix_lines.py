"""Lines from a terminal, pipe or file on POSIX."""

import os
import select
import termios
import time

from opticstream.rig.operators.lines import LineBuffer

_CHUNK = 4096
_LOOK_S = 1.0


class PosixLines:
    """Reads a descriptor; a terminal stays in the mode it is in, so there is nothing to put back.

    The terminal itself hands over whole lines only, after people have mended them.

    Args:
        descriptor: open for reading.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._buffer = descriptor, LineBuffer()

    def forget(self) -> None:
        """Drop what was typed before anybody asked; of a pipe or file nothing is dropped."""
        if os.isatty(self._descriptor):
            termios.tcflush(self._descriptor, termios.TCIFLUSH)
            self._buffer = LineBuffer()

    def read(self, timeout_s: float | None) -> str | None:
        """Return the next line without its end, or None when there will be none.

        Raises:
            TimeoutError: none came in time.
            KeyboardInterrupt: Ctrl+C.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while (line := self._buffer.line()) is None:
            left = _LOOK_S if deadline is None else deadline - time.monotonic()
            ready = select.select([self._descriptor], [], [], max(0.0, min(left, _LOOK_S)))[0]
            if ready:
                data = self._data()
                if not data:
                    return self._buffer.rest()
                self._buffer.add(data)
            elif left <= 0:
                raise TimeoutError
        return line

    def _data(self) -> bytes:
        try:
            return os.read(self._descriptor, _CHUNK)
        except OSError:  # the terminal was closed
            return b""
