"""A result that comes once, and those who wait for it."""

import threading
import time
from abc import ABC, abstractmethod

from opticstream.rig.engine.result import EngineResult

_SLICE_S = 0.2  # Windows delivers Ctrl+C only between waits


class PendingResult(ABC):
    """What every running engine does about its result."""

    def __init__(self) -> None:
        self._result: EngineResult | None = None
        self._done = threading.Event()

    @abstractmethod
    def request_stop(self, reason: str, grace_s: float = 10.0) -> None:
        """Ask for the end and return at once; may be called in a signal handler. `wait` then gives the result."""

    def poll(self) -> EngineResult | None:
        """Return the result, None while it runs."""
        return self._result

    def wait(self, timeout_s: float | None = None) -> EngineResult | None:
        """Wait for the result, at most ``timeout_s`` seconds; None when they are over first."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._done.is_set():
            left = _SLICE_S if deadline is None else min(_SLICE_S, deadline - time.monotonic())
            if left <= 0:
                break
            self._done.wait(left)
        return self._result

    def final(self) -> EngineResult:
        """Wait for the result, however long it takes."""
        result = self.wait()
        assert result is not None  # without a timeout there is one  # noqa: S101
        return result

    def stop(self, reason: str, grace_s: float = 10.0) -> EngineResult:
        """End the acquisition and return the result; see the engine's own word on how long that may take."""
        self.request_stop(reason, grace_s)
        return self.final()

    def _settle(self, result: EngineResult | None) -> None:
        self._result = result
        self._done.set()
