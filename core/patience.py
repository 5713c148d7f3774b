"""Patience that is not used up by a moment in which everything stood still."""

import math
import threading
from collections.abc import Callable

_SLICE_S = 0.05


def patiently(wait: Callable[[float], object], seconds: float) -> bool:
    """Wait for what another thread does, for about ``seconds``; say whether it was done.

    They are counted in short waits. When this process stands still for a while (a machine that swaps or is overloaded,
    a virtual one that is held), the other thread stands still too: one long wait would be over the moment both go on,
    before the other could do anything.

    Args:
        wait: waits that many seconds at most, and says whether it is done.
        seconds: 0: looks once.
    """
    for _ in range(math.ceil(seconds / _SLICE_S)):
        if wait(min(_SLICE_S, seconds)):
            return True
    return bool(wait(0))


def joined(thread: threading.Thread, seconds: float) -> bool:
    """Wait for a thread, patiently; say whether it has ended."""

    def wait(timeout_s: float) -> bool:
        thread.join(timeout_s)
        return not thread.is_alive()

    return patiently(wait, seconds)
