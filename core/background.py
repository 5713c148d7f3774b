"""Work beside the work: a thread that lives as long as a with block."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def in_background(name: str, work: Callable[[threading.Event], object]) -> Iterator[None]:
    """Run ``work`` in a thread while the body runs; the event it is given is set when the body ends, then it is joined.

    Args:
        name: the thread's name after ``opticstream-``.
        work: ends soon after its event is set.
    """
    ended = threading.Event()
    thread = threading.Thread(target=work, args=(ended,), name=f"opticstream-{name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
