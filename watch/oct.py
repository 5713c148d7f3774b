"""The OCT watcher: every batch that is complete, stable and readable goes through the gate to the dispatch, once."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from opticstream.core.errors import BadInput
from opticstream.core.identifiers import BatchId
from opticstream.core.oct_layout import batch_id, logical_mosaic
from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.core.text import check_project_name
from opticstream.watch.admission import Admission, Verdict
from opticstream.watch.log_observer import LogObserver
from opticstream.watch.mosaic_ranges import ALL_MOSAICS, MosaicRanges
from opticstream.watch.oct_batches import BatchKey
from opticstream.watch.oct_source import OCTSource
from opticstream.watch.polling import PollingStableWatcher, Tick, poll
from opticstream.watch.protocols import Dispatch, Gate, WatchObserver
from opticstream.watch.readable import Fault, HeaderCheck, ReadableCheck
from opticstream.watch.ready_batch import ReadyBatch, digest
from opticstream.watch.ready_queue import ReadyQueue
from opticstream.watch.report import PassReport, Problem, is_settled
from opticstream.watch.stop_signal import StopSignal
from opticstream.watch.tile_name import DEFAULT_PATTERN, kinds_of

_BACKFILL_SLICE_S = 5.0
_HIGHEST_MOSAIC = 999_999_999  # what identifiers hold


class OCTWatcherService:
    """Watches one acquisition folder for one project.

    Everything runs in the thread that calls `run` or `run_pass`. A unit's gate is asked once per fingerprint and
    run; a unit whose gate or dispatch raises `NotNow` stays ready and is tried again after 1, 2, 4 … 30 s, a unit
    whose gate raises anything else likewise, and a unit whose dispatch raises anything else is the state's to retry.

    Args:
        project: the project's name.
        folder: the acquisition folder; not its subfolders.
        config: how the project scans; read once.
        gate: registers a ready unit in the state.
        dispatch: starts the work of a registered unit.
        ranges: source mosaics to take, ``1:2,5:9``, both ends included.
        slice_offset: slices to add to those in the file names.
        pattern: file name patterns separated by commas, any case.
        stability_seconds: how long a batch's files must stay unchanged.
        force_resend: pass each unit's first offer in this run with ``force``.
        backfill: take what lay there at start oldest first, and only while nothing else is ready.
        dry_run: call neither gate nor dispatch; reports say what would be offered.
        check: looks into each file once its batch is stable; raises BadFile.
        observer: is told what happens; None: the log.
        clock: monotonic seconds.

    Raises:
        BadInput: the folder is none, the offset moves a mosaic below slice 1, or a name, range or pattern is bad.
    """

    def __init__(
        self,
        project: str,
        folder: Path,
        config: PSOCTScanConfig,
        *,
        gate: Gate,
        dispatch: Dispatch,
        ranges: MosaicRanges | str = ALL_MOSAICS,
        slice_offset: int = 0,
        pattern: str = DEFAULT_PATTERN,
        stability_seconds: float = 15.0,
        force_resend: bool = False,
        backfill: bool = False,
        dry_run: bool = False,
        check: HeaderCheck | None = None,
        observer: WatchObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._project = check_project_name(project)
        self._folder = folder
        self._per_slice = config.mosaics_per_slice
        self._slice_offset = slice_offset
        self._backfill, self._dry_run = backfill, dry_run
        self._observer = observer or LogObserver()
        self._admission: Admission[BatchKey] = Admission(gate, dispatch, force=force_resend, observer=self._observer)
        self._clock = clock
        wanted = MosaicRanges.parse(ranges) if isinstance(ranges, str) else ranges
        self._check_start(wanted)
        self._source = OCTSource(
            folder,
            grid_size_y=config.acquisition.grid_size_y,
            kinds=kinds_of(config.acquisition.tile_saving_type),
            batches_of=lambda source_mosaic: config.batches_of_mosaic(self._logical(source_mosaic)),
            ranges=wanted,
            pattern=pattern,
        )
        self._watcher: PollingStableWatcher[BatchKey, PassReport] = PollingStableWatcher(
            self._source.poll, self._process, stability_seconds=stability_seconds, clock=clock
        )
        self._readable = ReadableCheck(check)
        self._queue: ReadyQueue[BatchKey] = ReadyQueue()
        self._backlog: set[BatchKey] | None = None
        self._taken: set[BatchKey] = set()
        self._unreadable: dict[BatchKey, tuple[Problem, ...]] = {}
        self._announced: set[Problem] = set()
        self._last = PassReport()
        self._would: list[ReadyBatch] = []

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

    def _check_start(self, ranges: MosaicRanges) -> None:
        """Refuse at start what would otherwise only show when a file comes."""
        if not self._folder.is_dir():
            raise BadInput(
                str(self._folder), expected="the acquisition folder", action="Create it, or mount its volume."
            )
        self._logical(ranges.first)
        if self._logical(ranges.last) > _HIGHEST_MOSAIC:
            raise BadInput("--slice-offset", found=str(self._slice_offset), expected="a smaller number")

    def _logical(self, source_mosaic: int) -> int:
        return logical_mosaic(source_mosaic, self._per_slice, self._slice_offset)

    def _ident(self, key: BatchKey) -> BatchId:
        return batch_id(self._project, self._logical(key[0]), key[1], self._per_slice)

    def _process(self, tick: Tick[BatchKey]) -> PassReport:
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
        before = self.totals.copy()
        self._would = []
        ready = self._queue.due(tick.now)
        more = self._take_all(ready, tick)
        problems = self._problems()
        incomplete = self._source.incomplete
        done = self.totals - before
        return PassReport(
            seen=self._source.units,
            waiting=len(tick.observation.waiting),
            incomplete=len(incomplete),
            ready=len(ready),
            registered=done["registered"],
            skipped=done["skipped"],
            dispatched=done["dispatched"],
            failed=done["failed"],
            remaining=self._queue.blocking,
            more=more,
            files=self._source.files,
            problems=len(problems),
            problem_list=problems,
            incomplete_units=incomplete,
            would_dispatch=tuple(self._would),
        )

    def _take_note(self, tick: Tick[BatchKey]) -> None:
        """Bring the queue up to what was seen."""
        seen = tick.observation
        if self._backlog is None:
            self._backlog = set(seen.waiting) if self._backfill else set()
        reopened = set(seen.changed)
        for key in (*seen.changed, *seen.gone):
            if key in self._taken and key in reopened:
                self._taken.discard(key)  # said once, however long they go on changing
                self._observer.unit(str(self._ident(key)), "changed", "its files changed after it was taken")
            self._queue.drop(key)  # it comes back when it is stable again
            self._unreadable.pop(key, None)
        for key in seen.gone:
            self._readable.forget(key)
        for key in seen.ready:
            order: tuple[int, ...] = (0, *key)
            if key in self._backlog:
                order = (1, max(mtime for _, mtime, _ in self._watcher.engine.fingerprint(key)), *key)
            self._queue.offer(key, order, tick.now)

    def _take_all(self, ready: list[BatchKey], tick: Tick[BatchKey]) -> bool:
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

    def _take(self, key: BatchKey, now: float) -> None:
        marks = self._watcher.engine.fingerprint(key)
        faults = self._readable.faults(key, self._folder, [(mark, self._source.kind_of(mark)) for mark in marks])
        if faults:
            self._leave_out(key, faults, now)
            return
        self._unreadable.pop(key, None)
        ready = ReadyBatch(
            ident=self._ident(key),
            source_mosaic=key[0],
            files=tuple(self._folder / mark[0] for mark in marks),
            fingerprint=digest(marks),
            total_bytes=sum(mark[2] for mark in marks),
            force=self._admission.force(key),
        )
        if self._dry_run:
            self._would.append(ready)
            self._observer.unit(str(ready.ident), "would dispatch", f"{len(ready.files)} files")
            verdict: Verdict = "done"
        else:
            verdict = self._admission.admit(key, ready)
        if verdict == "done":
            self._queue.drop(key)
            self._taken.add(key)
        else:
            self._queue.put_off(key, now, blocking=verdict == "later")

    def _leave_out(self, key: BatchKey, faults: list[Fault], now: float) -> None:
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
        problems = (*self._source.problems, *unreadable)
        if problems or self._announced:
            for problem in problems:
                if problem not in self._announced:
                    self._observer.problem(problem)
            self._announced = set(problems)
        return problems
