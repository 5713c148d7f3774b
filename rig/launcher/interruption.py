"""Ctrl+C and stop signals while a session runs: nothing is cut off in the middle of what must be whole."""

import _thread
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

_log = logging.getLogger("opticstream.rig")
# SIGHUP: the terminal was closed. SIGBREAK: Windows' Ctrl+Break and closed console (not verified here).
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


class Interrupted(KeyboardInterrupt):
    """Raised in the session when somebody ends it; no ``except Exception`` of a module catches it."""


def _interrupt_main_thread() -> None:
    if sys.platform == "win32":
        _thread.interrupt_main()
    else:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


class Interruption:
    """Takes over the signals of the main thread for the time of a with block.

    By default a signal is noted and no more, and the session ends at its next :meth:`check`: what is being written is
    written whole, whichever moment somebody chose. Inside :meth:`raised_here` it raises :class:`Interrupted` where the
    session is, once; inside :meth:`passed_to` it is handed to what is running there instead.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        """Who ended the session, None while nobody did: Ctrl+C, SIGTERM, or what `request` was told."""
        self.terminated = False
        """Whether it was a signal after which the system may kill us soon."""
        self._target: Callable[[str, bool], None] | None = None
        self._raises = False
        self._woken = False
        """The next signal is that of `request`, which is not a second word."""
        self._asking = threading.Lock()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # signals can be taken over only there
            for name in _SIGNALS:
                number = getattr(signal, name, None)
                nohup = name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN if number else False
                if number is not None and not nohup:
                    self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def check(self) -> None:
        """Return if nobody has ended the session.

        Raises:
            Interrupted: somebody has.
        """
        if self.reason is not None:
            raise Interrupted(self.reason)

    def request(self, reason: str) -> None:
        """End the session from another thread, as a signal does; outside the main thread, before its next step."""
        self._note(reason)
        with self._asking:
            target = self._target
            if target is None and self._raises and signal.SIGINT in self._before:
                self._woken = True
                _interrupt_main_thread()
        if target is not None:
            target(reason, False)

    @contextmanager
    def passed_to(self, stop: Callable[[str, bool], None]) -> Iterator[None]:
        """Hand signals to ``stop`` while the body runs.

        Args:
            stop: is given the reason, and whether it was said before, so that patience is over; must return at once.
        """
        before, self._target = self._target, stop
        try:
            yield
        finally:
            self._target = before

    @contextmanager
    def raised_here(self) -> Iterator[None]:
        """Let a signal end the body at once, with :class:`Interrupted`."""
        before, self._raises = self._raises, True
        try:
            yield
        finally:
            with self._asking:  # else a signal of `request` could come when nobody takes it any more
                self._raises = before

    def _note(self, reason: str) -> bool:
        again = self.reason is not None
        self.reason = self.reason or reason
        return again

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        self.terminated = self.terminated or name != "SIGINT"
        again = self._note("Ctrl+C" if name == "SIGINT" else name) and not self._woken
        self._woken = False
        if self._target is not None:
            self._target(self.reason or name, again)
        elif self._raises:
            self._raises = False  # the first says it; how this is put away is not to be cut off by another
            raise Interrupted(self.reason)
