"""What every ``watch`` command does: a watcher joined with the store's gate and the flows, in this process or elsewhere."""

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from opticstream.flows.direct_runner import DirectRunner, WatchProgress
from opticstream.state import ProjectState
from opticstream.state.parents import settle_all
from opticstream.state.presence import WatcherPresence
from opticstream.state.stalled import stalled_direct_units
from opticstream.watch import GateAnswer, NotNow, PassReport, StopSignal, is_settled
from opticstream.watch.polling import poll
from opticstream.watch.ready_unit import ReadyUnit
from opticstream.watch.unit_watcher import UnitWatcher

log = logging.getLogger(__name__)

U = TypeVar("U", bound=ReadyUnit)
O = TypeVar("O", bound="WatchOptions")  # noqa: E741 (a watch's options)


@dataclass(frozen=True)
class WatchOptions:
    """What the command line of every watch chooses."""

    stability_seconds: float = 15.0
    poll_interval_s: float = 5.0
    direct: bool = True
    force_resend: bool = False
    slice_offset: int = 0
    once: bool = False
    dry_run: bool = False
    backfill: bool = False


@dataclass
class WatchSummary:
    """How a watch ended."""

    report: PassReport | None = None
    outcomes: Counter[str] = field(default_factory=Counter)
    """Leaf units whose flow ran here, by the status of their row afterwards."""

    parents: Counter[str] = field(default_factory=Counter)
    """The same of the units above them."""

    announced: int = 0
    """Units left to a deployment."""

    @property
    def failed(self) -> int:
        """Units that failed in this watch."""
        return self.outcomes["failed"] + self.parents["failed"]


class ProjectWatch(ABC, Generic[U, O]):
    """One watch: discovery asks the gate, the gate's winners and units of dead watchers go to the flow.

    Args:
        state: the project's.
        folder: the watched folder.
        options: what the command line chooses.
        runner: runs flows here; None: units are announced to a deployment.
        progress: is told what happens.
        announced: called after events were written to the outbox.
    """

    def __init__(
        self,
        state: ProjectState,
        folder: Path,
        options: O,
        runner: DirectRunner | None,
        progress: WatchProgress,
        announced: Callable[[], None],
    ) -> None:
        self._state, self._folder, self._options = state, folder, options
        self._runner, self._progress, self._announced = runner, progress, announced
        self._announcements = 0
        self._watcher_id: int | None = None
        self._left_over = False
        self._put_off = ""
        self._service: UnitWatcher[Any, Any, U] = self._make_service()

    @abstractmethod
    def _make_service(self) -> UnitWatcher[Any, Any, U]:
        """Return the watcher; it calls `_gate` and `_dispatch`."""

    @abstractmethod
    def _source(self, ready: U) -> dict[str, Any]:
        """Return what is stored with a unit for its flow."""

    def _listening(self, stop: StopSignal) -> AbstractContextManager[StopSignal]:
        """Take hints of the operating system while the body runs; yields the stop signal of its loop."""
        return nullcontext(stop)

    def run(self, stop: StopSignal) -> WatchSummary:
        """Watch; the presence row tells other watchers that this one is alive."""
        if self._options.dry_run:
            return WatchSummary(self._loop(stop))
        settle_all(self._state.database, self._state.row)
        with WatcherPresence(self._state, str(self._folder)) as presence:
            self._watcher_id = presence.id
            if self._runner is not None and not self._options.once:  # with nothing to do, `--once` needs no server
                self._runner.prepare()
            try:
                report = self._loop(stop)
                if self._runner is None:
                    return WatchSummary(report, announced=self._announcements)
                return WatchSummary(report, self._runner.outcomes, self._runner.parents, self._announcements)
            finally:
                if self._runner is not None:
                    self._runner.close()

    def _loop(self, stop: StopSignal) -> PassReport | None:
        with self._listening(stop) as hinted:
            return poll(
                self._pass,
                hinted,
                self._options.poll_interval_s,
                until=self._is_over if self._options.once else None,
                at_once=lambda report: report.more,
            )

    def _pass(self, now: float | None, stopping: Callable[[], bool]) -> PassReport:
        self._left_over = False
        if self._runner is not None and not self._options.dry_run:
            self._take_over(self._runner, stopping)
        return self._service.run_pass(now, stopping)

    def _is_over(self, report: PassReport) -> bool:
        if not is_settled(report) or self._left_over:
            return False
        return self._options.dry_run or not self._stalled()

    def _stalled(self) -> Sequence[Any]:
        """Return the units that this watch should work on, and does not: left by others, or made ready by its own."""
        if self._runner is None:
            return ()
        each = {
            ident: None
            for level, stage in self._runner.stages
            for ident in stalled_direct_units(self._state, level, stage)
        }
        return tuple(each)

    def _take_over(self, runner: DirectRunner, stopping: Callable[[], bool]) -> None:
        """Run units whose watcher or worker is gone, those an operator put back, and parents that turned ready."""
        for ident in self._stalled():
            if stopping():
                return
            try:
                self._left_over |= not runner.run(ident)
            except NotNow as away:
                self._left_over = True
                if str(ident) != self._put_off:  # once, not at every look
                    self._put_off = str(ident)
                    self._progress.unit(str(ident), "put off", str(away))
                return
            except Exception as error:
                log.error("%s failed: %s", ident, error)

    def _gate(self, ready: U) -> GateAnswer:
        answer = self._state.register_ready(
            ready.ident,
            fingerprint=ready.fingerprint,
            source=self._source(ready),
            dispatch="direct" if self._options.direct else self._state.database.settings.dispatch,
            watcher_id=self._watcher_id,
            force=ready.force,
        )
        return GateAnswer(answer.registered, answer.status, answer.changed)

    def _dispatch(self, ready: U) -> None:
        if self._runner is not None:
            self._runner.run(ready.ident)
        else:
            self._announcements += 1  # the gate has written the event beside the row; the relay delivers it
        self._announced()
