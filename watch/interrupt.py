"""Running a watcher until Ctrl+C, SIGTERM or the service's stop."""

import logging
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from opticstream.watch.stop_signal import HandlerStop, StopSignal

R = TypeVar("R")

_NAMES = ("SIGINT", "SIGTERM", "SIGBREAK")  # the last is Windows' Ctrl+Break, which is how services are stopped there
_AGAIN_S = 0.05
_log = logging.getLogger("opticstream.watch")


def run_watcher_until_interrupt(run: Callable[[StopSignal], R]) -> R:
    """Call ``run`` with a stop signal that SIGINT, SIGTERM and SIGBREAK set; put the handlers back afterwards.

    The first signal ends the wait, or the pass after the unit in hand; a second one raises KeyboardInterrupt there,
    again if need be where Python drops what is raised.
    Call it from the main thread: ``run_watcher_until_interrupt(lambda stop: service.run(stop, 5.0))``.

    Raises:
        ValueError: not called from the main thread.
    """
    stop = HandlerStop()
    running = True

    def again() -> None:
        if not running:
            return
        main = threading.main_thread().ident
        if hasattr(signal, "pthread_kill") and main is not None:
            signal.pthread_kill(main, signal.SIGINT)  # ends its wait for a lock, too
        else:
            signal.raise_signal(signal.SIGINT)

    def on_ignored(ignored: "sys.UnraisableHookArgs") -> None:
        if ignored.exc_type is not KeyboardInterrupt:
            hook(ignored)
            return
        # It met a destructor or a callback of a weak reference, where Python drops what is raised.
        timer = threading.Timer(_AGAIN_S, again)
        timer.daemon = True
        timer.start()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {}
    hook, sys.unraisablehook = sys.unraisablehook, on_ignored
    try:
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None:
                before[number] = signal.signal(number, on_signal)
        return run(stop)
    finally:
        running = False
        sys.unraisablehook = hook
        for number, handler in before.items():
            # None: installed by something other than Python, which cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if stop.is_set():
            _log.info("Stopped by a signal.")
