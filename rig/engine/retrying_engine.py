"""Starts an acquisition again when it failed; never without end."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from opticstream.core.errors import BadInput
from opticstream.core.stoppable import Stopped, unless_stopped
from opticstream.rig.engine.pending_result import PendingResult
from opticstream.rig.engine.protocol import Engine, RunningEngine
from opticstream.rig.engine.result import EngineResult

_log = logging.getLogger("opticstream.rig")
Decision = Literal["retry", "proceed", "abort"]
Decide = Callable[[EngineResult], Decision]
"""Is given a failed result with its attempts, and says what to do; it may ask somebody."""

_SLICE_S = 0.2


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a failed acquisition is started again.

    Raises:
        BadInput: a number is negative.
    """

    max_retries: int = 3
    """Starts after the first, also when somebody is asked."""

    delay_s: float = 0.0
    """Seconds before the next start."""

    def __post_init__(self) -> None:
        if self.max_retries < 0:
            raise BadInput(
                "max_retries",
                found=str(self.max_retries),
                expected="0 or more; a number without limit would start it for ever",
            )
        if not self.delay_s >= 0:
            raise BadInput("retry_delay_sec", found=str(self.delay_s), expected="0 or more seconds")


class RetryingEngine:
    """An engine around another one.

    A result that was asked for (stopped, watchdog) is final. ``proceed`` makes a failed result the end, with the
    outcome completed and a reason that says who decided so.

    Args:
        engine: what is started.
        policy: how often.
        decide: is asked after each failure while retries are left, and once when none are; None: retry.
    """

    def __init__(self, engine: Engine, policy: RetryPolicy, decide: Decide | None = None) -> None:
        self._engine, self._policy, self._decide = engine, policy, decide

    def start(self) -> "RunningRetries":
        """Start the first attempt.

        Raises:
            BadInput: as the engine's ``start``.
        """
        return RunningRetries(self._engine, self._engine.start(), self._policy, self._decide)


class RunningRetries(PendingResult):
    """The attempts of a `RetryingEngine`."""

    def __init__(self, engine: Engine, first: RunningEngine, policy: RetryPolicy, decide: Decide | None) -> None:
        super().__init__()
        self._engine, self._running, self._policy, self._decide = engine, first, policy, decide
        self._stop: tuple[str, float] | None = None  # a bare attribute: it is set in signal handlers
        threading.Thread(target=self._run, name="opticstream-retries", daemon=True).start()

    @property
    def pid(self) -> int | None:
        """Process of the attempt that runs."""
        return self._running.pid

    def request_stop(self, reason: str, grace_s: float = 10.0) -> None:
        """Ask the attempt that runs to end, and start no other."""
        self._stop = (reason, grace_s)
        self._running.request_stop(reason, grace_s)

    def _run(self) -> None:
        attempt, result = 1, None
        try:
            while True:
                result = self._running.wait()
                assert result is not None  # noqa: S101
                result = result.with_attempts(attempt)
                decision = self._next(result)
                if decision == "proceed":
                    result = replace(result, outcome="completed", reason=f"{result.reason}; the operator went on")
                if decision != "retry" or not self._pause():
                    break
                attempt += 1
                _log.warning("%s; attempt %d of %d", result.reason, attempt, self._policy.max_retries + 1)
                self._running = self._engine.start()
                if self._stop:  # asked for between the look and the start
                    self._running.request_stop(*self._stop)
        except Exception as error:
            _log.exception("The acquisition could not be started again")
            if result is not None:
                result = replace(result, outcome="failed", reason=f"{result.reason}; then: {error}")
        finally:
            if self._stop and result is not None and result.outcome == "failed":
                result = replace(result, outcome="stopped", reason=self._stop[0])
            self._settle(result)

    def _next(self, result: EngineResult) -> Decision:
        if result.outcome != "failed" or self._stop:
            return "abort"
        left = result.attempts <= self._policy.max_retries
        decision: Decision = "retry" if self._decide is None else self._decided(self._decide, result)
        return "abort" if decision == "retry" and not left else decision

    def _decided(self, decide: Decide, result: EngineResult) -> Decision:
        """Ask, until there is an answer or the session is ended: Ctrl+C does not wait for who is asked."""
        try:
            return unless_stopped(lambda: self._stop, lambda: decide(result), "retry-question")
        except Stopped:
            return "abort"

    def _pause(self) -> bool:
        """Wait before the next attempt; False when it shall not be made."""
        deadline = time.monotonic() + self._policy.delay_s
        while not self._stop and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(_SLICE_S, left))
        return not self._stop
