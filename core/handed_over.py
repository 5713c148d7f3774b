"""Work in a thread of its own whose result or exception somebody else takes."""

import contextvars
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class HandedOver(Generic[T]):
    """Runs work in a daemon thread with the caller's context variables; it is not waited for at exit.

    Args:
        work: what to do.
        name: the thread's name after ``opticstream-``.
    """

    def __init__(self, work: Callable[[], T], name: str) -> None:
        self._work, self._context = work, contextvars.copy_context()
        self._results: list[T] = []
        self._errors: list[BaseException] = []
        self.thread = threading.Thread(target=self._run, name=f"opticstream-{name}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self._results.append(self._context.run(self._work))
        except BaseException as error:
            self._errors.append(error)

    @property
    def done(self) -> bool:
        """Return whether there is a result or an exception."""
        return bool(self._results or self._errors)

    def take(self) -> T:
        """Return what the work returned, or raise what it raised, when it is done."""
        if self._results:
            return self._results[0]
        raise self._errors[0]

    def wait(self) -> T:
        """Wait until the work is done, and take it; for work that has a time limit of its own."""
        self.thread.join()
        return self.take()
