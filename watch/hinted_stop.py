"""A stop signal whose waits end early when there is something new to see."""

from collections.abc import Callable

from opticstream.watch.stop_signal import StopSignal

_SLICE_S = 0.0625  # sums of it are exact
_LEAST_S = 0.5


class HintedStop:
    """Another stop signal, with waits that also end on a hint, but not sooner than half a second.

    Args:
        stop: what it stands for.
        hinted: whether to look now.
    """

    def __init__(self, stop: StopSignal, hinted: Callable[[], bool]) -> None:
        self._stop = stop
        self._hinted = hinted

    def is_set(self) -> bool:
        """Return whether to stop."""
        return self._stop.is_set()

    def wait(self, timeout: float) -> bool:
        """Return whether to stop: at once when told, else after ``timeout`` seconds or on a hint."""
        passed = 0.0
        while passed < timeout and not (passed >= _LEAST_S and self._hinted()):
            step = min(_SLICE_S, timeout - passed)
            if self._stop.wait(step):
                return True
            passed += step
        return self._stop.is_set()
