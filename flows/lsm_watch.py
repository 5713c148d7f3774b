"""``opticstream lsm watch``: the watcher of strips joined with the store's gate and the strip and channel flows."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opticstream.core.identifiers import UnitId
from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.lsm_identifiers import ChannelId, StripId
from opticstream.core.lsm_layout import info_file
from opticstream.flows.direct_runner import Api, DirectFlow, DirectRunner, WatchProgress
from opticstream.flows.watching import ProjectWatch, WatchOptions, WatchSummary
from opticstream.state import LSM_TREE, Database, ProjectState
from opticstream.tasks.jobs import lsm_jobs
from opticstream.watch import StopSignal
from opticstream.watch.lsm import LSMWatcherService
from opticstream.watch.ready_strip import ReadyStrip
from opticstream.watch.strip_name import DEFAULT_STRIP_PATTERN


@dataclass(frozen=True)
class LSMWatchOptions(WatchOptions):
    """What the command line chooses."""

    direct: bool = False
    pattern: str = DEFAULT_STRIP_PATTERN
    min_files: int = 1
    polling_only: bool = False
    check_content: bool = True


def watch_lsm(
    database: Database,
    config: LSMScanConfig,
    folder: Path,
    options: LSMWatchOptions,
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
        folder: acquisition folder, whose subfolders are strips.
        options: what the command line chooses.
        api: the Prefect API of direct mode; None only without it.
        progress: is told what happens.
        stop: ends the watch.
        announced: called after events were written to the outbox.

    Raises:
        BadInput: an option or the folder cannot be used.
        ProjectNotFound: the project has not been set up.
    """
    state = ProjectState(database, LSM_TREE, config.project_name)
    runner = None
    if options.direct:
        assert api is not None  # noqa: S101 (direct mode runs flows)
        strips, channels = lsm_jobs(config, "process")
        flows = [
            DirectFlow("strip", strips.stages, _process_strip),
            DirectFlow("channel", channels.stages, _process_channel),
        ]
        runner = DirectRunner(state, flows, api, warm=_warm, progress=progress, stop=stop)
    return _LSMWatch(config, state, folder, options, runner, progress, announced).run(stop)


def _process_strip(ident: UnitId) -> None:
    from opticstream.flows.process_strip import process_strip

    assert isinstance(ident, StripId)  # noqa: S101 (leaves of an LSM tree)
    process_strip(ident.project, ident.slice, ident.channel, ident.strip)


def _process_channel(ident: UnitId) -> None:
    from opticstream.flows.process_channel import process_channel

    assert isinstance(ident, ChannelId)  # noqa: S101 (the level above)
    process_channel(ident.project, ident.slice, ident.channel)


def _warm(kernels: Path) -> None:
    from opticstream.flows import process_channel, process_strip  # noqa: F401 (their import is what takes long)
    from opticstream.imaging.lsm import warm_strip_kernels

    warm_strip_kernels(kernels)


class _LSMWatch(ProjectWatch[ReadyStrip, LSMWatchOptions]):
    _service: LSMWatcherService

    def __init__(self, config: LSMScanConfig, *rest: Any) -> None:
        self._config = config
        super().__init__(*rest)

    def _make_service(self) -> LSMWatcherService:
        options = self._options
        return LSMWatcherService(
            self._config.project_name,
            self._folder,
            self._config,
            gate=self._gate,
            dispatch=self._dispatch,
            known=self._known,
            slice_offset=options.slice_offset,
            pattern=options.pattern,
            stability_seconds=options.stability_seconds,
            min_files=options.min_files,
            force_resend=options.force_resend,
            backfill=options.backfill,
            dry_run=options.dry_run,
            polling_only=options.polling_only,
            check=_strip_check(self._config) if options.check_content else None,
            observer=self._progress,
        )

    def _listening(self, stop: StopSignal) -> AbstractContextManager[StopSignal]:
        return self._service.listening(stop)

    def _known(self, ident: StripId) -> str | None:
        view = self._state.peek(ident)
        return None if view is None else view.status

    def _source(self, ready: ReadyStrip) -> dict[str, Any]:
        return {"strip_path": str(ready.folder)}


def _strip_check(config: LSMScanConfig) -> Callable[[Path], None]:
    """Return what looks whether a strip's spool files are all there and of the size its metadata say."""

    def check(folder: Path) -> None:
        from opticstream.imaging.lsm import open_spool

        open_spool(folder, info_file(config, folder))

    return check
