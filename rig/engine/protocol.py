"""What every engine offers, whatever runs behind it."""

from collections.abc import Callable
from typing import Literal, Protocol, runtime_checkable

from opticstream.rig.engine.result import EngineResult

StreamName = Literal["output", "error"]
LineCallback = Callable[[StreamName, str], None]
"""Is told each line of output, without its end; called in a thread of the engine's, never two calls at once."""


@runtime_checkable
class RunningEngine(Protocol):
    """One acquisition under way; its result exists as soon as it ended, and for good."""

    @property
    def pid(self) -> int | None:
        """Process of the acquisition; None while there is none to name."""

    def poll(self) -> EngineResult | None:
        """Return the result, None while it runs."""

    def wait(self, timeout_s: float | None = None) -> EngineResult | None:
        """Wait for the end.

        Args:
            timeout_s: seconds to wait at most; None: until it ended.

        Returns:
            The result; None when the time is over first.
        """

    def request_stop(self, reason: str, grace_s: float = 10.0) -> None:
        """Ask for the end and return at once; may be called in a signal handler. `wait` then gives the result."""

    def stop(self, reason: str, grace_s: float = 10.0) -> EngineResult:
        """End the acquisition, gently first, in bounded time.

        Args:
            reason: stands in the result.
            grace_s: seconds the acquisition has to end by itself.

        Returns:
            The result; that of the first end when it ended before.
        """


@runtime_checkable
class Engine(Protocol):
    """Starts acquisitions. Calling `start` twice starts two."""

    def start(self) -> RunningEngine:
        """Start one.

        Raises:
            BadInput: what should be started is not there or cannot be run.
        """
