"""The OCT watcher: every batch that is complete, stable and readable goes through the gate to the dispatch, once."""

import time
from collections.abc import Callable
from pathlib import Path

from opticstream.core.errors import BadInput
from opticstream.core.identifiers import BatchId
from opticstream.core.oct_layout import batch_id, logical_mosaic
from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.core.text import check_project_name
from opticstream.watch.engine import Fingerprint
from opticstream.watch.mosaic_ranges import ALL_MOSAICS, MosaicRanges
from opticstream.watch.oct_batches import BatchKey
from opticstream.watch.oct_source import OCTSource
from opticstream.watch.protocols import Dispatch, Gate, WatchObserver
from opticstream.watch.readable import Fault, HeaderCheck, ReadableCheck
from opticstream.watch.ready_batch import ReadyBatch, digest
from opticstream.watch.tile_name import DEFAULT_PATTERN, kinds_of
from opticstream.watch.unit_watcher import UnitWatcher

_HIGHEST_MOSAIC = 999_999_999  # what identifiers hold


class OCTWatcherService(UnitWatcher[BatchKey, Fingerprint, ReadyBatch]):
    """Watches one acquisition folder for one project; `UnitWatcher` says how units are taken.

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
        gate: Gate[ReadyBatch],
        dispatch: Dispatch[ReadyBatch],
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
        self._readable = ReadableCheck(check)
        super().__init__(
            self._source,
            gate=gate,
            dispatch=dispatch,
            stability_seconds=stability_seconds,
            force_resend=force_resend,
            backfill=backfill,
            dry_run=dry_run,
            observer=observer,
            clock=clock,
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

    def _newest(self, fingerprint: Fingerprint) -> int:
        return max(mtime for _, mtime, _ in fingerprint)

    def _faults(self, key: BatchKey, fingerprint: Fingerprint) -> list[Fault]:
        files = [(mark, self._source.kind_of(mark)) for mark in fingerprint]
        return self._readable.faults(key, self._folder, files)

    def _ready(self, key: BatchKey, fingerprint: Fingerprint, *, force: bool) -> ReadyBatch:
        return ReadyBatch(
            ident=self._ident(key),
            source_mosaic=key[0],
            files=tuple(self._folder / mark[0] for mark in fingerprint),
            fingerprint=digest(fingerprint),
            total_bytes=sum(mark[2] for mark in fingerprint),
            force=force,
        )

    def _gone(self, key: BatchKey) -> None:
        self._readable.forget(key)
