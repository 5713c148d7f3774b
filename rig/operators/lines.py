"""Lines that people type, waited for no longer than wanted."""

import os
import sys
from typing import Protocol, TextIO


class Lines(Protocol):
    """Where lines come from."""

    def forget(self) -> None:
        """Drop what was typed before anybody asked."""

    def read(self, timeout_s: float | None) -> str | None:
        """Return the next line without its end, or None when there will be none.

        Raises:
            TimeoutError: none came in time.
            KeyboardInterrupt: Ctrl+C.
        """
        ...


def open_lines(stream: TextIO | None) -> Lines | None:
    """Return the lines of a stream that stands on a descriptor, such as standard input; None when it is closed."""
    try:
        descriptor = -1 if stream is None else stream.fileno()
        os.fstat(descriptor)
    except (OSError, ValueError, AttributeError):
        return None
    if sys.platform == "win32":  # not verified here
        from opticstream.rig.operators.windows_lines import ConsoleLines, ThreadLines

        return ConsoleLines() if os.isatty(descriptor) else ThreadLines(descriptor)
    from opticstream.rig.operators.posix_lines import PosixLines

    return PosixLines(descriptor)


class LineBuffer:
    """Cuts bytes into lines."""

    def __init__(self) -> None:
        self._bytes = b""

    def add(self, data: bytes) -> None:
        """Take what came."""
        self._bytes += data

    def line(self) -> str | None:
        """Return the first whole line, without its end; None: there is none yet."""
        line, end, rest = self._bytes.partition(b"\n")
        if not end:
            return None
        self._bytes = rest
        return _text(line)

    def rest(self) -> str | None:
        """Return what stands without an end, at the end; None: nothing does."""
        rest, self._bytes = self._bytes, b""
        return _text(rest) if rest else None


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").removesuffix("\r")
