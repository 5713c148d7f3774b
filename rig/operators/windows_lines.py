"""Lines from a Windows console, and from pipes where no descriptor can be waited for.

The console's part is not verified here.
"""

import os
import queue
import sys
import threading
import time
from typing import Protocol

from opticstream.rig.operators.lines import LineBuffer

_CHUNK = 4096
_LOOK_S = 0.05
_INTERRUPT, _END = "\x03", "\x1a"
_RUBOUT = ("\b", "\x7f")
_FIRST_OF_TWO = ("\x00", "\xe0")
"""What a key that is no character, such as an arrow, begins with."""


class KeyLine:
    """A line in the making, key by key, as a console shows it."""

    def __init__(self) -> None:
        self.text = ""
        self._skip = False

    def press(self, key: str) -> tuple[bool, str]:
        """Take a key; return whether the line is done, and what the console is to show.

        Raises:
            KeyboardInterrupt: it was Ctrl+C.
        """
        if self._skip or key in _FIRST_OF_TWO:
            self._skip = not self._skip
            return False, ""
        if key == _INTERRUPT:
            raise KeyboardInterrupt
        if key in "\r\n":
            return True, "\r\n"
        if key in _RUBOUT:
            shown = "\b \b" if self.text else ""
            self.text = self.text[:-1]
            return False, shown
        self.text += key
        return False, key


class Keyboard(Protocol):
    """What of module ``msvcrt`` is used."""

    def kbhit(self) -> bool:
        """Say whether a key waits."""

    def getwch(self) -> str:
        """Return the next key, without showing it."""

    def putwch(self, character: str, /) -> None:
        """Show a character."""


class ConsoleLines:
    """Reads the console key by key, because a read of a whole line cannot be given up.

    Args:
        keyboard: None: the module ``msvcrt``.

    Raises:
        OSError: this system has no Windows console.
    """

    def __init__(self, keyboard: Keyboard | None = None) -> None:
        self._keyboard = keyboard or _msvcrt()

    def forget(self) -> None:
        """Drop what was typed before anybody asked."""
        while self._keyboard.kbhit():
            self._keyboard.getwch()

    def read(self, timeout_s: float | None) -> str | None:
        """Return the next line without its end; None for Ctrl+Z.

        Raises:
            TimeoutError: none came in time.
            KeyboardInterrupt: Ctrl+C.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        line = KeyLine()
        while True:
            while self._keyboard.kbhit():
                done, shown = line.press(self._keyboard.getwch())
                for character in shown:
                    self._keyboard.putwch(character)
                if done:
                    return None if line.text.startswith(_END) else line.text
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError
            time.sleep(_LOOK_S)


def _msvcrt() -> Keyboard:
    if sys.platform == "win32":
        import msvcrt

        return msvcrt
    else:
        raise OSError("this system has no Windows console")


class ThreadLines:
    """Reads a pipe or file in a thread of its own: what it hands over is waited for as long as wanted.

    The thread ends with the stream. A line that comes too late for one question is there for the next.

    Args:
        descriptor: open for reading.
    """

    def __init__(self, descriptor: int) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._descriptor, self._ended = descriptor, False
        self._thread: threading.Thread | None = None

    def forget(self) -> None:
        """Drop nothing: what a pipe holds was meant."""

    def read(self, timeout_s: float | None) -> str | None:
        """Return the next line without its end, or None when there will be none.

        Raises:
            TimeoutError: none came in time.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._copy, name="opticstream-lines", daemon=True)
            self._thread.start()
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._ended:
            left = 1.0 if deadline is None else min(1.0, deadline - time.monotonic())
            try:
                line = self._lines.get(timeout=max(0.0, left))  # in short waits, or Ctrl+C would not be heard
            except queue.Empty:
                if deadline is not None and time.monotonic() >= deadline:
                    raise TimeoutError from None
                continue
            self._ended = line is None
            return line
        return None

    def _copy(self) -> None:
        buffer = LineBuffer()
        while data := self._data():
            buffer.add(data)
            while (line := buffer.line()) is not None:
                self._lines.put(line)
        if (rest := buffer.rest()) is not None:
            self._lines.put(rest)
        self._lines.put(None)

    def _data(self) -> bytes:
        try:
            return os.read(self._descriptor, _CHUNK)
        except OSError:
            return b""
