"""Rows of a recording, as the scope's buffers have them, over all of its files."""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadFile
from opticstream.scope.files.growing_tables import HDF5_ERRORS
from opticstream.scope.files.recording import open_tracking_file, whole_batches
from opticstream.scope.files.tracking_layout import GROUP, HARDWARE

log = logging.getLogger(__name__)

Found = TypeVar("Found")

_SLAB = 1 << 18
"""Records that are read at once."""


class RecordedRows:
    """Reads what a picture needs of tracking files, however long they are; a file that cannot be read is left out.

    Args:
        files: of one recording, or of several, in the order they were written; they may still be written.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self._files = list(files)

    def hardware(self, name: str) -> NDArray[np.float64]:
        """Return the rows of a device, (n, columns); (0, 0) if no file has any."""
        tables = self._each(lambda file: file[HARDWARE][name][:] if name in file.get(HARDWARE, ()) else None)
        found = [table for table in tables if table is not None and len(table)]
        return np.concatenate(found) if found else np.empty((0, 0))

    def tracks(self, beads: int, most_rows: int = 2_000_000) -> NDArray[np.float64]:
        """Return rows of the tracks of some beads, (n, 7): s since 1970 UTC, x, y, z nm, bead, NaN, NaN.

        Args:
            beads: how many, the first ones by their ids, of those the first file begins with.
            most_rows: of longer recordings every second frame is returned, or every third …
        """
        total = sum(self._each(lambda file: whole_batches(file).frames))
        step = max(1, -(-total * beads // most_rows))
        chosen: list[float] = []

        def rows_of(file: Any) -> NDArray[np.float64]:
            records = whole_batches(file).records
            if not chosen and records:
                chosen.extend(np.unique(file[GROUP]["bead_ids"][: min(records, _SLAB)])[:beads].tolist())
            return _rows(file, records, step, chosen)

        return np.concatenate([np.empty((0, 7)), *self._each(rows_of)])

    def _each(self, work: Callable[[Any], Found]) -> list[Found]:
        found = []
        for path in self._files:
            try:
                with open_tracking_file(path) as file:
                    found.append(work(file))
            except (BadFile, *HDF5_ERRORS) as error:
                log.info("%s is not drawn: %s", path, error)
        return found


def _rows(file: Any, records: int, step: int, beads: list[float]) -> NDArray[np.float64]:
    """Return the rows of these beads in every ``step``-th frame; a slab at a time, of which little is kept."""
    group, found = file[GROUP], [np.empty((0, 7))]
    offsets = group["frame_offsets"][:].astype(np.int64)
    times = group["frame_timestamps_ns"][:] / 1e9
    for start in range(0, records, _SLAB):
        stop = min(records, start + _SLAB)
        ids = group["bead_ids"][start:stop]
        frames = np.searchsorted(offsets, np.arange(start, stop), side="right") - 1
        kept = np.flatnonzero(np.isin(ids, beads) & (frames % step == 0))
        rows = np.full((len(kept), 7), np.nan)
        rows[:, 0], rows[:, 4] = times[frames[kept]], ids[kept]
        rows[:, 1:4] = group["positions_nm"][start:stop][kept]
        found.append(rows)
    return np.concatenate(found)
