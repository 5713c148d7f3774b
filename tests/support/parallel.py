"""The same call from several threads at the same moment."""

import threading
from collections.abc import Callable
from typing import Any

from opticstream.core.errors import StateError


def in_parallel(count: int, call: Callable[[int], Any]) -> list[Any]:
    """Return what each call returned, or the StateError it raised."""
    barrier, results = threading.Barrier(count), [None] * count

    def run(index: int) -> None:
        barrier.wait()
        try:
            results[index] = call(index)
        except StateError as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
