"""Work on many files in a few threads, with one thread that watches over it."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_TICK_S = 0.1


class Stopped(Exception):
    """Raised inside a thread whose work is not wanted any more."""


class StopMark:
    """Tells the threads that the work is off."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Stop the threads at their next block."""
        self._event.set()

    def check(self) -> None:
        """Raise Stopped when the work is off."""
        if self._event.is_set():
            raise Stopped


def for_each_file(
    work: Callable[[T, StopMark], R], items: Iterable[T], *, workers: int, tick: Callable[[], object]
) -> list[R]:
    """Return ``work(item, stop)`` of every item, in order; an error or an exception of ``tick`` stops all.

    Args:
        work: calls ``stop.check()`` at least once per block.
        items: what to work on.
        workers: threads; numbers below 1 are 1.
        tick: called in the calling thread about ten times a second, and once at the end.
    """
    stop = StopMark()
    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="opticstream-files") as pool:
        futures: list[Future[R]] = [pool.submit(work, item, stop) for item in items]
        try:
            waiting = set(futures)
            while waiting:
                done, waiting = wait(waiting, timeout=_TICK_S, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
                tick()
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            raise
    return [future.result() for future in futures]
