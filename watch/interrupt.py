"""Running a watcher until Ctrl+C, SIGTERM or the service's stop."""

import logging
import signal
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from opticstream.watch.stop_signal import HandlerStop, StopSignal

R = TypeVar("R")

_NAMES = ("SIGINT", "SIGTERM", "SIGBREAK")  # the last is Windows' Ctrl+Break, which is how services are stopped there
_log = logging.getLogger("opticstream.watch")


def run_watcher_until_interrupt(run: Callable[[StopSignal], R]) -> R:
    """Call ``run`` with a stop signal that SIGINT, SIGTERM and SIGBREAK set; put the handlers back afterwards.

    The first signal ends the wait, or the pass after the unit in hand; a second one raises KeyboardInterrupt there.
    Call it from the main thread: ``run_watcher_until_interrupt(lambda stop: service.run(stop, 5.0))``.

    Raises:
        ValueError: not called from the main thread.
    """
    stop = HandlerStop()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {}
    try:
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None:
                before[number] = signal.signal(number, on_signal)
        return run(stop)
    finally:
        for number, handler in before.items():
            # None: installed by something other than Python, which cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if stop.is_set():
            _log.info("Stopped by a signal.")
