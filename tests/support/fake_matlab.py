"""A MATLAB that shares its engine, as the module ``matlab.engine`` shows it; functions are Python functions.

Its signatures are held against the real module by ``tests/rig/engine/test_matlab_conformance.py``.
"""

import io
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any


class EngineError(Exception):
    """There is no such engine, or it is gone."""


class RejectedExecutionError(Exception):
    """The engine is terminated."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class MatlabExecutionError(Exception):
    """The function failed."""


class CancelledError(Exception):
    """The call was cancelled."""


class FutureResult:
    """What a call in the background returns; it is worked off in a thread."""

    def __init__(self, work: Callable[["FutureResult"], Any]) -> None:
        self._value: Any = None
        self._error: BaseException | None = None
        self.cancel_asked = threading.Event()
        self.deaf = False
        self._cancelled = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True, name="fake-matlab")
        self._thread.start()

    def _run(self, work: Callable[["FutureResult"], Any]) -> None:
        try:
            self._value = work(self)
        except BaseException as error:
            self._error = error
        self._done.set()

    def result(self, timeout: float | None = None) -> Any:
        if not self._done.wait(timeout):
            raise TimeoutError("the function has not ended")
        self._thread.join()
        if self._error:
            raise self._error
        return self._value

    def cancel(self) -> bool:
        self.cancel_asked.set()
        if not self.deaf:
            self._cancelled = True
        return not self.deaf

    def cancelled(self) -> bool:
        return self._cancelled

    def done(self) -> bool:
        return self._done.is_set()


class MatlabEngine:
    """The handle; ``feval`` is looked up as the real one does."""

    def __init__(self, matlab: "FakeMatlab") -> None:
        self._matlab = matlab

    def exit(self) -> None:
        self._matlab.log.append(("quit",))

    def quit(self) -> None:
        self.exit()

    def __getattr__(self, name: str) -> "MatlabFunc":
        return MatlabFunc(self, name)


class MatlabFunc:
    def __init__(self, eng: MatlabEngine, name: str) -> None:
        self._matlab, self._name = eng._matlab, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        nargout = kwargs.pop("nargout", 1)
        streams = [kwargs.pop(name, None) for name in ("stdout", "stderr")]
        background = self._matlab.background(kwargs)
        if not all(stream is None or isinstance(stream, io.StringIO) for stream in streams):
            raise TypeError("stdout and stderr must be io.StringIO")
        if not self._matlab.alive:
            raise RejectedExecutionError("MATLAB has already terminated")
        assert self._name == "feval"
        self._matlab.log.append((*args, {"nargout": nargout}))
        future = FutureResult(lambda future: self._matlab.run(future, args, streams))
        self._matlab.futures.append(future)
        return future if background else future.result()


class FakeMatlab:
    """The module, and the MATLAB behind it.

    Args:
        functions: by name; called with the future, the arguments, and what to print with.
        names: engines that are shared.
        old: knows ``async`` only, as releases before R2018 do.
    """

    EngineError, RejectedExecutionError = EngineError, RejectedExecutionError

    def __init__(self, functions: dict[str, Callable[..., Any]], *names: str, old: bool = False) -> None:
        self.functions, self.names, self.old = functions, list(names), old
        self.alive = True
        self.log: list[tuple[Any, ...]] = []
        self.futures: list[FutureResult] = []
        self.connections = 0

    def background(self, kwargs: dict[str, Any]) -> bool:
        word = "async" if self.old else "background"
        chosen = bool(kwargs.pop(word, False))
        if kwargs:
            raise TypeError(f"unexpected {kwargs}")
        return chosen

    def find_matlab(self) -> tuple[str, ...]:
        return tuple(self.names)

    def connect_matlab(self, name: str | None = None, **kwargs: Any) -> Any:
        background = self.background(kwargs)
        self.connections += 1

        def work(_: FutureResult) -> MatlabEngine:
            if name not in self.names:
                raise EngineError(f"Unable to connect to MATLAB session {name!r}.")
            self.alive = True
            return MatlabEngine(self)

        future = FutureResult(work)
        return future if background else future.result()

    def run(self, future: FutureResult, args: tuple[Any, ...], streams: list[io.StringIO | None]) -> Any:
        name, *arguments = args
        if name == "exit":
            self.alive = False
            self.names.clear()
            raise RejectedExecutionError("MATLAB has already terminated")
        if name not in self.functions:
            raise MatlabExecutionError(f"Unrecognized function or variable '{name}'.")
        return self.functions[name](future, arguments, *streams)

    def sleep(self, future: FutureResult, seconds: float) -> None:
        """Be busy as a function is: a cancellation ends it, the loss of the engine too."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if future.cancelled():
                raise CancelledError("MATLAB function cancelled")
            if not self.alive:
                raise RejectedExecutionError("MATLAB has already terminated")
            time.sleep(0.01)

    def calls(self, function: str) -> list[tuple[Any, ...]]:
        """Return the arguments of each call of a function."""
        return [entry[1:-1] for entry in self.log if entry[0] == function]


def joined(matlab: FakeMatlab) -> Iterator[FutureResult]:
    """Wait for every call's thread."""
    for future in matlab.futures:
        future._thread.join(60)
        yield future
