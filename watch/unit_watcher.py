"""What every acquisition watcher does between its source and its state, pass by pass."""

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar

from opticstream.core.identifiers import UnitId
from opticstream.watch.admission import Admission, Verdict
from opticstream.watch.delta import Delta
from opticstream.watch.log_observer import LogObserver
from opticstream.watch.polling import PollingStableWatcher, Tick, poll
from opticstream.watch.protocols import Dispatch, Gate, WatchObserver
from opticstream.watch.readable import Fault
from opticstream.watch.ready_queue import ReadyQueue
from opticstream.watch.ready_unit import ReadyUnit
from opticstream.watch.report import IncompleteStrip, IncompleteUnit, PassReport, Problem, is_settled
from opticstream.watch.stop_signal import StopSignal

_BACKFILL_SLICE_S = 5.0

K = TypeVar("K", bound=tuple[Any, ...])
"""A unit's key in its source; its order is the order of the work."""

F = TypeVar("F")
U = TypeVar("U", bound=ReadyUnit)


class Source(Protocol[K, F]):
    """Where units are discovered."""

    @property
    def files(self) -> int:
        """Files of units at the last pass."""

    @property
    def units(self) -> int:
        """Units at the last pass."""

    @property
    def incomplete(self) -> tuple[IncompleteUnit | IncompleteStrip, ...]:
        """Units that lack files."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What stands in the way."""

    def poll(self) -> Delta[K, F]:
        """Look once; an OSError says that everything known is kept."""


class UnitWatcher(ABC, Generic[K, F, U]):
    """Takes what a source discovers through stability, readability, gate and dispatch, each unit once.

    Everything runs in the thread that calls `run` or `run_pass`. A unit's gate is asked once per fingerprint and
    run; a unit whose gate or dispatch raises `NotNow` stays ready and is tried again after 1, 2, 4 … 30 s, a unit
    whose gate raises anything else likewise, and a unit whose dispatch raises anything else is the state's to retry.

    Subclasses say what a unit is: `_ident`, `_newest`, `_faults` and `_ready`.

    Args:
        source: discovers units.
        gate: registers a ready unit in the state.
        dispatch: starts the work of a registered unit.
        stability_seconds: how long a unit's files must stay unchanged.
        force_resend: pass each unit's first offer in this run with ``force``.
        backfill: take what lay there at start oldest first, and only while nothing else is ready.
        dry_run: call neither gate nor dispatch; reports say what would be offered.
        observer: is told what happens; None: the log.
        clock: monotonic seconds.

    Raises:
        BadInput: ``stability_seconds`` is negative.
    """

    def __init__(
        self,
        source: Source[K, F],
        *,
        gate: Gate[U],
        dispatch: Dispatch[U],
        stability_seconds: float,
        force_resend: bool,
        backfill: bool,
        dry_run: bool,
        observer: WatchObserver | None,
        clock: Callable[[], float],
    ) -> None:
        self._discovery = source
        self._backfill, self._dry_run = backfill, dry_run
        self._observer = observer or LogObserver()
        self._admission: Admission[U] = Admission(gate, dispatch, force=force_resend, observer=self._observer)
        self._clock = clock
        self._watcher: PollingStableWatcher[K, F, PassReport] = PollingStableWatcher(
            source.poll, self._process, stability_seconds=stability_seconds, clock=clock
        )
        self._queue: ReadyQueue[K] = ReadyQueue()
        self._backlog: set[K] | None = None
        self._taken: set[K] = set()
        self._unreadable: dict[K, tuple[Problem, ...]] = {}
        self._announced: set[Problem] = set()
        self._last = PassReport()
        self._would: list[U] = []
        self._before: Counter[str] = Counter()

    @abstractmethod
    def _ident(self, key: K) -> UnitId:
        """Return the unit of a key."""

    @abstractmethod
    def _newest(self, fingerprint: F) -> int:
        """Return the latest mtime of a unit's files, ns."""

    @abstractmethod
    def _faults(self, key: K, fingerprint: F) -> list[Fault]:
        """Return why a stable unit cannot be taken; none: it can."""

    @abstractmethod
    def _ready(self, key: K, fingerprint: F, *, force: bool) -> U:
        """Return what gate and dispatch are told of a unit that can be taken."""

    def _gone(self, key: K) -> None:
        """Forget a unit that is no longer there."""

    def _admitted(self, key: K, verdict: Verdict) -> None:
        """Take note of a unit that gate and dispatch were asked about."""

    @property
    def totals(self) -> Counter[str]:
        """Registered, skipped, dispatched and failed units of this run."""
        return self._admission.totals

    def run_pass(self, now: float | None = None, stopping: Callable[[], bool] = lambda: False) -> PassReport:
        """Look at the folder once and take what is ready.

        Args:
            now: monotonic seconds; None: ask the clock.
            stopping: whether to leave units that are not begun.
        """
        began = time.perf_counter()
        self._before = self.totals.copy()
        report = replace(self._watcher.run_pass(now, stopping), seconds=time.perf_counter() - began)
        self._last = report
        self._observer.finished(report)
        return report

    def run(self, stop: StopSignal, poll_interval_s: float, *, once: bool = False) -> PassReport | None:
        """Run passes with a fixed delay between them until stopped.

        Args:
            stop: ends the run; a wait at once, a pass after the unit in hand.
            poll_interval_s: seconds between passes, above 0.
            once: end as soon as nothing waits for stability and everything ready is dispatched.

        Returns:
            The last pass's report; None when stopped before the first.

        Raises:
            BadInput: ``poll_interval_s`` is not above 0.
        """
        return poll(
            self.run_pass, stop, poll_interval_s, until=is_settled if once else None, at_once=lambda report: report.more
        )

    def _process(self, tick: Tick[K]) -> PassReport:
        if tick.error:
            return replace(
                self._last,
                ready=0,
                registered=0,
                skipped=0,
                dispatched=0,
                failed=0,
                more=False,
                would_dispatch=(),
                folder_error=tick.error,
            )
        self._take_note(tick)
        self._would = []
        ready = self._queue.due(tick.now)
        more = self._take_all(ready, tick)
        problems = self._problems()
        incomplete = self._discovery.incomplete
        done = self.totals - self._before
        return PassReport(
            seen=self._discovery.units,
            waiting=len(tick.observation.waiting),
            incomplete=len(incomplete),
            ready=len(ready),
            registered=done["registered"],
            skipped=done["skipped"],
            dispatched=done["dispatched"],
            failed=done["failed"],
            remaining=self._queue.blocking,
            more=more,
            files=self._discovery.files,
            problems=len(problems),
            problem_list=problems,
            incomplete_units=incomplete,
            would_dispatch=tuple(self._would),
        )

    def _take_note(self, tick: Tick[K]) -> None:
        """Bring the queue up to what was seen."""
        seen = tick.observation
        if self._backlog is None:
            self._backlog = set(seen.waiting) if self._backfill else set()
        reopened = set(seen.changed)
        for key in seen.gone:
            if key in self._queue or key in self._unreadable:
                # Offered but not taken: it is offered again, also when it comes back just as it was.
                self._watcher.engine.forget(key)
        for key in (*seen.changed, *seen.gone):
            if key in self._taken and key in reopened:
                self._taken.discard(key)  # said once, however long they go on changing
                self._observer.unit(str(self._ident(key)), "changed", "its files changed after it was taken")
            self._queue.drop(key)  # it comes back when it is stable again
            self._unreadable.pop(key, None)
        for key in seen.gone:
            self._gone(key)
        for key in seen.ready:
            order: tuple[Any, ...] = (0, *key)
            if key in self._backlog:
                order = (1, self._newest(self._watcher.engine.fingerprint(key)), *key)
            self._queue.offer(key, order, tick.now)

    def _take_all(self, ready: list[K], tick: Tick[K]) -> bool:
        """Take units in order; return whether backfill is left for which a new look should not wait."""
        backfill_since: float | None = None
        for key in ready:
            if tick.stopping():
                return False
            if self._backlog and key in self._backlog:
                if backfill_since is None:
                    backfill_since = self._clock()
                elif self._clock() - backfill_since >= _BACKFILL_SLICE_S:
                    return True  # look first whether a live unit turned ready meanwhile
            self._take(key, tick.now)
        return False

    def _take(self, key: K, now: float) -> None:
        fingerprint = self._watcher.engine.fingerprint(key)
        faults = self._faults(key, fingerprint)
        if faults:
            self._leave_out(key, faults, now)
            return
        self._unreadable.pop(key, None)
        ready = self._ready(key, fingerprint, force=self._admission.force(self._ident(key)))
        if self._dry_run:
            self._would.append(ready)
            self._observer.unit(str(ready.ident), "would dispatch", ready.summary)
            verdict: Verdict = "done"
        else:
            verdict = self._admission.admit(ready)
        if verdict == "done":
            self._queue.drop(key)
            self._taken.add(key)
        else:
            self._queue.put_off(key, now, blocking=verdict == "later")
        self._admitted(key, verdict)

    def _leave_out(self, key: K, faults: list[Fault], now: float) -> None:
        if any(fault.moved for fault in faults):
            self._queue.drop(key)
            self._watcher.engine.forget(key)
            return
        ident = str(self._ident(key))
        self._unreadable[key] = tuple(Problem(ident, f"{fault.path}: {fault.reason}") for fault in faults)
        if any(fault.retry for fault in faults):
            self._queue.put_off(key, now, blocking=False)
        else:
            self._queue.drop(key)

    def _problems(self) -> tuple[Problem, ...]:
        """Return all problems that stand, and tell the observer about those that are new."""
        unreadable = (problem for problems in self._unreadable.values() for problem in problems)
        problems = (*self._discovery.problems, *unreadable)
        if problems or self._announced:
            for problem in problems:
                if problem not in self._announced:
                    self._observer.problem(problem)
            self._announced = set(problems)
        return problems
