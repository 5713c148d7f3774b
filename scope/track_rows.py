"""Rows of the tracks buffer, by frames again."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.track_batch import TrackBatch


def batches_of_rows(rows: NDArray[np.float64]) -> Iterator[TrackBatch]:
    """Yield batches of frames that show the same beads.

    Args:
        rows: t s, x nm, y nm, z nm, bead, ROI x px, ROI y px, frame after frame; (n, 7).
    """
    if not len(rows):
        return
    starts = np.flatnonzero(np.diff(rows[:, 0], prepend=np.nan))
    sizes = np.diff(starts, append=len(rows))
    begin = 0
    while begin < len(starts):
        size, first = int(sizes[begin]), int(starts[begin])
        ids = rows[first : first + size, 4]
        end = begin + 1
        while end < len(starts) and sizes[end] == size:
            at = int(starts[end])
            if not np.array_equal(rows[at : at + size, 4], ids):
                break
            end += 1
        block = rows[first : first + size * (end - begin)].reshape(end - begin, size, -1)
        corners = block[0, :, 5:].astype(np.uint32)
        yield TrackBatch(
            sequence=0,
            frame_numbers=np.arange(end - begin, dtype=np.uint64),
            timestamps_ns=np.round(block[:, 0, 0] * 1e9).astype(np.int64),
            bead_ids=ids.astype(np.uint32),
            rois=np.stack([corners[:, 0], corners[:, 0], corners[:, 1], corners[:, 1]], axis=1),
            positions_nm=block[:, :, 1:4],
            flags=np.where(np.isfinite(block[:, :, 1]), 0, 1).astype(np.uint16),
        )
        begin = end
