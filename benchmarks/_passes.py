"""The passes of a watcher from its first to the one that takes all, and what it keeps in memory."""

import gc
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

from _against import Emit, compare

from opticstream.watch import PassReport

AGAINST = "os.scandir + one stat per file"


class Watcher(Protocol):
    def run_pass(self, now: float | None = None) -> PassReport: ...


W = TypeVar("W", bound=Watcher)


def measure_passes(emit: Emit, case: str, files: int, make: Callable[[], W], bare: Callable[[], object]) -> W:
    """Emit what each pass costs against ``bare``; return a watcher that has taken all and is idle."""
    rounds = max(5, min(25, 100_000 // files))
    measured = partial(compare, emit, case, bare=bare, against=AGAINST)

    def first(_: int) -> Callable[[], PassReport]:
        service = make()
        gc.collect()
        return lambda: service.run_pass(0.0)

    bare()
    measured("first pass", rounds, first)
    service = make()
    service.run_pass(0.0)
    measured("unstable pass", rounds, lambda n: lambda: service.run_pass(1.0 + n / 100))
    measured("pass that takes all", 1, lambda _: lambda: service.run_pass(100.0))
    measured("idle pass", rounds, lambda n: lambda: service.run_pass(101.0 + n / 100))
    return service


def memory(make: Callable[[], Watcher]) -> tuple[int, int]:
    """Return the bytes a watcher that has taken all keeps, and the most it had meanwhile."""
    gc.collect()
    tracemalloc.start()
    service = make()
    service.run_pass(0.0)
    service.run_pass(100.0)
    gc.collect()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held, peak
