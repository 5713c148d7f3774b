"""Work that others can stop waiting for."""

from collections.abc import Callable
from typing import TypeVar

from opticstream.core.handed_over import HandedOver
from opticstream.core.patience import joined

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T], name: str) -> T:
    """Return what ``work()`` returns, or raise what it raises, unless it takes longer.

    It runs in a daemon thread with the caller's context variables. One that is given up goes on by itself and is
    not waited for at exit, so ``work`` should have timeouts of its own.

    Args:
        seconds: how long to wait.
        work: what to do; no part of it may be missed when it is given up.
        name: the thread's name after ``opticstream-``.

    Raises:
        TimeoutError: it took longer.
    """
    handed = HandedOver(work, name)
    joined(handed.thread, seconds)
    if handed.done:
        return handed.take()
    raise TimeoutError(f"no end after {seconds:g} s")
