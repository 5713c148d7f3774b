"""``opticstream oct watch``: the watcher joined with the store's gate and the batch flow."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.flows.direct_runner import Api, DirectRunner, WatchProgress
from opticstream.state import OCT_TREE, Database, ProjectState
from opticstream.state.presence import WatcherPresence
from opticstream.state.stalled import stalled_direct_units
from opticstream.watch import (
    ALL_MOSAICS,
    DEFAULT_PATTERN,
    GateAnswer,
    HeaderCheck,
    NotNow,
    OCTWatcherService,
    PassReport,
    ReadyBatch,
    StopSignal,
    is_settled,
)
from opticstream.watch.polling import poll
from opticstream.watch.tile_name import TileName

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OCTWatchOptions:
    """What the command line chooses."""

    ranges: str = str(ALL_MOSAICS)
    stability_seconds: float = 15.0
    poll_interval_s: float = 5.0
    direct: bool = True
    refresh: Callable[[], bool] | None = None
    force_resend: bool = False
    slice_offset: int = 0
    pattern: str = DEFAULT_PATTERN
    check_header: bool = True
    once: bool = False
    dry_run: bool = False
    backfill: bool = False


@dataclass
class WatchSummary:
    """How a watch ended."""

    report: PassReport | None = None
    outcomes: Counter[str] = field(default_factory=Counter)
    """Batches whose flow ran here, by the status of their row afterwards."""

    announced: int = 0
    """Batches left to a deployment."""

    @property
    def failed(self) -> int:
        """Batches that failed in this watch."""
        return self.outcomes["failed"]


def watch_oct(
    database: Database,
    config: PSOCTScanConfig,
    folder: Path,
    options: OCTWatchOptions,
    *,
    api: Api | None,
    progress: WatchProgress,
    stop: StopSignal,
    announced: Callable[[], None] = lambda: None,
) -> WatchSummary:
    """Watch a folder until stopped, or with ``once`` until everything there is settled.

    Args:
        database: the open state store.
        config: the project's configuration.
        folder: acquisition folder.
        options: what the command line chooses.
        api: the Prefect API of direct mode; None only without it.
        progress: is told what happens.
        stop: ends the watch.
        announced: called after events were written to the outbox.

    Raises:
        BadInput: an option or the folder cannot be used.
        ProjectNotFound: the project has not been set up.
    """
    return _OCTWatch(database, config, folder, options, api, progress, stop, announced).run(stop)


class _OCTWatch:
    """One watch: discovery asks the gate, the gate's winners and units of dead watchers go to the flow."""

    def __init__(
        self,
        database: Database,
        config: PSOCTScanConfig,
        folder: Path,
        options: OCTWatchOptions,
        api: Api | None,
        progress: WatchProgress,
        stop: StopSignal,
        announced: Callable[[], None],
    ) -> None:
        config.check_spectral()
        self._announced, self._announcements = announced, 0
        self._database, self._config, self._folder = database, config, folder
        self._options, self._progress = options, progress
        self._state = ProjectState(database, OCT_TREE, config.project_name)
        self._runner = None
        if options.direct:
            assert api is not None  # noqa: S101 (direct mode runs flows)
            self._runner = DirectRunner(self._state, config, api, options.refresh, progress, stop)
        self._watcher_id: int | None = None
        self._left_over = False
        self._put_off = ""
        self._service = OCTWatcherService(
            config.project_name,
            folder,
            config,
            gate=self._gate,
            dispatch=self._dispatch,
            ranges=options.ranges,
            slice_offset=options.slice_offset,
            pattern=options.pattern,
            stability_seconds=options.stability_seconds,
            force_resend=options.force_resend,
            backfill=options.backfill,
            dry_run=options.dry_run,
            check=_tile_check(config) if options.check_header else None,
            observer=progress,
        )

    def run(self, stop: StopSignal) -> WatchSummary:
        """Watch; the presence row tells other watchers that this one is alive."""
        if self._options.dry_run:
            return WatchSummary(self._loop(stop))
        with WatcherPresence(self._state, str(self._folder)) as presence:
            self._watcher_id = presence.id
            if self._runner is not None and not self._options.once:  # with nothing to do, `--once` needs no server
                self._runner.prepare()
            try:
                outcomes = self._runner.outcomes if self._runner is not None else Counter[str]()
                return WatchSummary(self._loop(stop), outcomes, self._announcements)
            finally:
                if self._runner is not None:
                    self._runner.close()

    def _loop(self, stop: StopSignal) -> PassReport | None:
        return poll(
            self._pass,
            stop,
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
        return is_settled(report) and not self._left_over

    def _take_over(self, runner: DirectRunner, stopping: Callable[[], bool]) -> None:
        """Run batches whose watcher or worker is gone, and those an operator put back."""
        for ident in stalled_direct_units(self._state):
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

    def _gate(self, ready: ReadyBatch) -> GateAnswer:
        answer = self._state.register_ready(
            ready.ident,
            fingerprint=ready.fingerprint,
            source={
                "file_list": [str(path) for path in ready.files],
                "project_base_path": str(self._config.project_base_path),
            },
            dispatch="direct" if self._options.direct else self._database.settings.dispatch,
            watcher_id=self._watcher_id,
            force=ready.force,
        )
        return GateAnswer(answer.registered, answer.status, answer.changed)

    def _dispatch(self, ready: ReadyBatch) -> None:
        if self._runner is not None:
            self._runner.run(ready.ident)
        else:
            self._announcements += 1  # the gate has written the event beside the row; the relay delivers it
        self._announced()


def _tile_check(config: PSOCTScanConfig) -> HeaderCheck:
    """Return what looks into the files of this project's tiles."""

    def check(path: Path, kind: str) -> None:
        from opticstream.imaging.nifti import check_complex_tile
        from opticstream.imaging.psoct import check_spectra_of

        name = TileName.parse(path.name)
        if kind == "complex" or name is None:
            check_complex_tile(path)
        else:
            # The mosaic's number in its slice decides; that is the same before and after the slice offset.
            check_spectra_of(config, path, name.mosaic)

    return check
