"""Threads for compiled work that lets go of the interpreter's lock."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

_MOST = 8
"""More threads than this only wait for the disk."""


@contextmanager
def thread_pool(number: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool that is over when the body ends; after an exception work that waits is given up."""
    pool = ThreadPoolExecutor(number, thread_name_prefix=name)
    try:
        yield pool
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    finally:
        pool.shutdown()


def usable_cpus(most: int = _MOST) -> int:
    """Return how many CPUs this process may use, at most ``most``."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, most)
