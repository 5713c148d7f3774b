"""A way's CPU time against a bare one that is measured right before and after it, in the same process."""

import statistics
import time
from collections.abc import Callable
from typing import Protocol


class Emit(Protocol):
    def __call__(self, case: str, metric: str, value: float, unit: str, *, ratio: float, against: str) -> None: ...


def cpu(work: Callable[[], object]) -> float:
    """Return the CPU seconds of some work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def compare(
    emit: Emit,
    case: str,
    metric: str,
    rounds: int,
    passes: Callable[[int], Callable[[], object]],
    bare: Callable[[], object],
    against: str,
) -> None:
    """Emit the median of ``rounds`` passes, each between two bare ones, and of their ratios."""
    own, ratios = [], []
    for number in range(rounds):
        work = passes(number)
        before = cpu(bare)
        took = cpu(work)
        floor = (before + cpu(bare)) / 2
        own.append(took)
        ratios.append(took / floor)
    emit(case, metric, round(statistics.median(own), 5), "s", ratio=statistics.median(ratios), against=against)
