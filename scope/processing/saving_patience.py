"""How long those are waited for who still save what was recorded."""

import os
import time
from collections.abc import Callable, Iterable

_LOOK_S = 0.1
_AT_WORK_S = 0.3
"""Who used no processor for so long hangs, or waits for a disk that does."""
SAVING_S = 10.0
"""How much longer who is at work may take."""


class SavingPatience:
    """So long as was said, and longer while a process is at work, but not for ever.

    At work is a process that takes time of a processor, or waits for one: it still starts on a busy computer, or it
    compresses and writes. One that is stopped, or waits for a disk that does not answer, is not, so that what hangs
    costs no more than was said.

    Args:
        patience_s: what was said, s.
        saving: returns the processes that save.
    """

    def __init__(self, patience_s: float, saving: Callable[[], Iterable[int]] = tuple) -> None:
        self._end = time.monotonic() + patience_s
        self._saving = saving
        self._used = {pid: _used(pid) for pid in saving()}
        self._at_work_until = 0.0

    def left(self) -> float:
        """Return how long to wait before this is asked again, s; 0: no longer."""
        now = time.monotonic()
        before, self._used = self._used, {pid: _used(pid) for pid in self._saving()}
        if any(used > before.get(pid, 0.0) or _wants_processor(pid) for pid, used in self._used.items()):
            self._at_work_until = now + _AT_WORK_S
        if now < self._end:
            return min(_LOOK_S, self._end - now)
        return _LOOK_S if now < min(self._at_work_until, self._end + SAVING_S) else 0.0


def _used(pid: int) -> float:
    """Return the time of processors that a process has used, s; 0: it is gone."""
    import psutil  # which few processes need

    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _wants_processor(pid: int) -> bool:
    """Say whether a process would go on if it got a processor; Windows does not tell."""
    import psutil

    try:
        return os.name != "nt" and psutil.Process(pid).status() == psutil.STATUS_RUNNING
    except psutil.Error:
        return False
