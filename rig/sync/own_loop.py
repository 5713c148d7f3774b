"""An event loop of its own, in the thread that calls."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

R = TypeVar("R")


def in_own_loop(work: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """Run ``work`` to its end. Ctrl+C in the main thread cancels it, lets it clean up and raises KeyboardInterrupt.

    Raises:
        RuntimeError: an event loop runs in this thread already; await the coroutine there.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RuntimeError("an event loop runs in this thread: await master_barrier or slave_barrier instead")
    with asyncio.Runner() as runner:
        return runner.run(work())
