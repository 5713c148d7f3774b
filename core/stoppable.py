"""Waiting for people that can be ended by something else than their answer."""

import ctypes
from collections.abc import Callable
from typing import TypeVar

from opticstream.core.handed_over import HandedOver

T = TypeVar("T")
_LOOK_S = 0.1
_PATIENCE_S = 5.0


class Stopped(Exception):
    """Raised when the work was ended before it was done."""


def unless_stopped(stopped: Callable[[], object], work: Callable[[], T], name: str) -> T:
    """Return what ``work()`` returns, or raise what it raises, unless ``stopped()`` becomes true first.

    The work runs in a daemon thread with the caller's context variables. When it is to end, KeyboardInterrupt is
    raised in it as Ctrl+C would in the main thread, so that it puts away what it shows; that is heard when it next
    runs a line of Python, so ``work`` must not wait for long in one call.

    Args:
        stopped: asked every 0.1 s.
        work: what to do.
        name: the thread's name after ``opticstream-``.

    Raises:
        Stopped: it was stopped.
    """
    handed = HandedOver(work, name)
    thread = handed.thread
    while thread.is_alive() and not stopped():
        thread.join(_LOOK_S)
    if not thread.is_alive():
        return handed.take()
    assert thread.ident is not None  # it has been started  # noqa: S101
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt))
    thread.join(_PATIENCE_S)
    raise Stopped(name)
