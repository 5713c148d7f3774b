"""Track batches of beads whose places are given."""

from typing import Any

import numpy as np

from opticstream.scope.track_batch import TrackBatch

S = 1_000_000_000
NM_PER_PX = 100.0


def tracks(times_ns: Any, ids: Any, positions_nm: Any, rois: Any = None) -> TrackBatch:
    times, beads = np.asarray(times_ns, np.int64), np.asarray(ids, np.uint32)
    positions = np.asarray(positions_nm, np.float64).reshape(len(times), len(beads), 3)
    regions = np.zeros((len(beads), 4), np.uint32) if rois is None else np.asarray(rois, np.uint32)
    flags = np.where(np.isnan(positions[..., 0]), 1, 0).astype(np.uint16)
    return TrackBatch(0, np.arange(len(times), dtype=np.uint64), times, beads, regions, positions, flags)


def at(x_px: float, y_px: float, z_nm: float = 0.0) -> list[float]:
    return [x_px * NM_PER_PX, y_px * NM_PER_PX, z_nm]
