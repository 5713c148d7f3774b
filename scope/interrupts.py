"""Ctrl+C, which a terminal sends to every process of a scope, is for the scope's own process alone."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

if sys.platform == "win32":
    import ctypes

    @contextmanager
    def deaf_children() -> Iterator[None]:
        """Let processes that are started meanwhile ignore Ctrl+C from their first moment on (not verified here).

        Whether it is ignored is inherited; one that comes at this very moment is lost.
        """
        kernel = ctypes.windll.kernel32
        kernel.SetConsoleCtrlHandler(None, True)
        try:
            yield
        finally:
            kernel.SetConsoleCtrlHandler(None, False)

    def stay_deaf() -> None:
        """Ignore Ctrl+C in this process for good, and Ctrl+Break, which a session's launcher sends to all."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGBREAK, signal.SIG_IGN)

else:

    @contextmanager
    def deaf_children() -> Iterator[None]:
        """Let processes that are started meanwhile not hear Ctrl+C while they import; their parent hears it later.

        The mask is inherited, so that no process prints the traceback of an import that was interrupted.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def stay_deaf() -> None:
        """Ignore Ctrl+C in this process for good, also one that came before."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
