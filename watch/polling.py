"""The loop of a watcher: look, see what is stable, process it, wait."""

import logging
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from opticstream.core.errors import BadInput
from opticstream.watch.delta import Delta
from opticstream.watch.engine import Observation, StabilityEngine
from opticstream.watch.stop_signal import StopSignal

K = TypeVar("K", bound=Hashable)
F = TypeVar("F")
R = TypeVar("R")

_log = logging.getLogger("opticstream.watch")


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Tick(Generic[K]):
    """One look at the source."""

    now: float
    """Monotonic seconds when it began."""
    observation: Observation[K]
    error: str = ""
    """Why the source could not be read; the observation is then empty and everything known is kept."""
    stopping: Callable[[], bool] = _never
    """Whether the watcher was asked to stop: leave what is not begun."""


class PollingStableWatcher(Generic[K, F, R]):
    """Discovers candidates, waits until each is stable, and hands them over, in the calling thread.

    Args:
        discover: looks once; returns what is different. An OSError is a warning (once per outage), not the end.
        process: takes every look and returns the pass's report. It is called also when nothing is ready.
        stability_seconds: how long a candidate must stay unchanged.
        clock: monotonic seconds.

    Raises:
        BadInput: ``stability_seconds`` is negative.
    """

    def __init__(
        self,
        discover: Callable[[], Delta[K, F]],
        process: Callable[[Tick[K]], R],
        *,
        stability_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engine: StabilityEngine[K, F] = StabilityEngine(stability_seconds)
        self._discover = discover
        self._process = process
        self._clock = clock
        self._away = False

    def run_pass(self, now: float | None = None, stopping: Callable[[], bool] = _never) -> R:
        """Look once and process what is ready.

        Args:
            now: monotonic seconds; None: ask the clock, before and after looking.
            stopping: whether to leave what is not begun.
        """
        began = self._clock() if now is None else now
        try:
            delta = self._discover()
        except OSError as error:
            text = f"{error.filename or 'The folder'} cannot be read: {error.strerror or error}"
            if not self._away:
                _log.warning("%s; going on, and trying again at every pass", text)
            self._away = True
            return self._process(Tick(began, Observation(), text, stopping))
        if self._away:
            self._away = False
            _log.info("The folder can be read again.")
        until = self._clock() if now is None else now
        observation = self.engine.advance(delta.changed, delta.gone, began, until)
        return self._process(Tick(began, observation, "", stopping))

    def run(
        self,
        stop: StopSignal,
        poll_interval_s: float,
        *,
        until: Callable[[R], bool] | None = None,
        at_once: Callable[[R], bool] | None = None,
    ) -> R | None:
        """Run passes with a fixed delay between them until stopped; installs no signal handlers.

        Args:
            stop: ends the run; a wait at once, a pass after the unit in hand.
            poll_interval_s: seconds between the end of a pass and the start of the next, above 0.
            until: ends the run after a pass whose report it accepts.
            at_once: skips the wait after a pass whose report it accepts.

        Returns:
            The last pass's report; None when stopped before the first.

        Raises:
            BadInput: ``poll_interval_s`` is not above 0.
        """
        return poll(self.run_pass, stop, poll_interval_s, until=until, at_once=at_once)


def poll(
    run_pass: Callable[[float | None, Callable[[], bool]], R],
    stop: StopSignal,
    poll_interval_s: float,
    *,
    until: Callable[[R], bool] | None = None,
    at_once: Callable[[R], bool] | None = None,
) -> R | None:
    """Run passes as `PollingStableWatcher.run` says; ``run_pass`` takes (now or None, whether to stop)."""
    if not poll_interval_s > 0:
        raise BadInput("--poll-interval", found=str(poll_interval_s), expected="a number of seconds above 0")
    report: R | None = None
    while not stop.is_set():
        report = run_pass(None, stop.is_set)
        if until is not None and until(report):
            break
        if at_once is None or not at_once(report):
            stop.wait(poll_interval_s)
    return report
