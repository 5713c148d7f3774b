"""``opticstream oct watch``: the watcher of tile batches joined with the store's gate and the batch flow."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opticstream.core.identifiers import BatchId, UnitId
from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.flows.direct_runner import Api, DirectFlow, DirectRunner, WatchProgress
from opticstream.flows.watching import ProjectWatch, WatchOptions, WatchSummary
from opticstream.state import OCT_TREE, Database, ProjectState
from opticstream.watch import (
    ALL_MOSAICS,
    DEFAULT_PATTERN,
    HeaderCheck,
    OCTWatcherService,
    ReadyBatch,
    StopSignal,
)
from opticstream.watch.tile_name import TileName


@dataclass(frozen=True)
class OCTWatchOptions(WatchOptions):
    """What the command line chooses."""

    ranges: str = str(ALL_MOSAICS)
    refresh: Callable[[], bool] | None = None
    pattern: str = DEFAULT_PATTERN
    check_header: bool = True


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
    config.check_spectral()
    state = ProjectState(database, OCT_TREE, config.project_name)
    runner = None
    if options.direct:
        assert api is not None  # noqa: S101 (direct mode runs flows)
        flow = DirectFlow("batch", ("process",), _process, lambda _: config.acquisition.grid_size_y)
        runner = DirectRunner(state, [flow], api, warm=_warm, refresh=options.refresh, progress=progress, stop=stop)
    return _OCTWatch(config, state, folder, options, runner, progress, announced).run(stop)


def _process(ident: UnitId) -> None:
    from opticstream.flows.process_tile_batch import process_tile_batch

    assert isinstance(ident, BatchId)  # noqa: S101 (leaves of an OCT tree)
    process_tile_batch(ident.project, ident.mosaic, ident.batch)


def _warm(kernels: Path) -> None:
    from opticstream.flows import process_tile_batch as _  # noqa: F401 (its import is what takes long)
    from opticstream.imaging.psoct import warm_kernels

    warm_kernels(kernels)


class _OCTWatch(ProjectWatch[ReadyBatch, OCTWatchOptions]):
    def __init__(self, config: PSOCTScanConfig, *rest: Any) -> None:
        self._config = config
        super().__init__(*rest)

    def _make_service(self) -> OCTWatcherService:
        options = self._options
        return OCTWatcherService(
            self._config.project_name,
            self._folder,
            self._config,
            gate=self._gate,
            dispatch=self._dispatch,
            ranges=options.ranges,
            slice_offset=options.slice_offset,
            pattern=options.pattern,
            stability_seconds=options.stability_seconds,
            force_resend=options.force_resend,
            backfill=options.backfill,
            dry_run=options.dry_run,
            check=_tile_check(self._config) if options.check_header else None,
            observer=self._progress,
        )

    def _source(self, ready: ReadyBatch) -> dict[str, Any]:
        return {
            "file_list": [str(path) for path in ready.files],
            "project_base_path": str(self._config.project_base_path),
        }


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
