"""Track batches whose content says where it belongs."""

import numpy as np

from opticstream.scope.track_batch import TrackBatch

START_NS = 1_700_000_000_123_456_789
FRAME_NS = 10_000_000


def make_batch(
    sequence: int, *, frames: int = 4, beads: int = 3, first: int | None = None, bead0: int = 0
) -> TrackBatch:
    """Return frames ``first``… taken 10 ms apart; x is the frame's number, y the bead's, z the sequence."""
    numbers = np.arange(frames, dtype=np.uint64) + np.uint64(sequence * frames if first is None else first)
    ids = np.arange(bead0, bead0 + beads, dtype=np.uint32)
    positions = np.empty((frames, beads, 3))
    positions[..., 0] = numbers[:, None]
    positions[..., 1] = ids
    positions[..., 2] = sequence
    flags = np.zeros((frames, beads), np.uint16)
    if beads > 1:
        positions[0, 1], flags[0, 1] = np.nan, 2
    rois = np.stack([ids * 10, ids * 10 + 50, ids * 20, ids * 20 + 50], axis=1)
    times = START_NS + numbers.astype(np.int64) * FRAME_NS
    return TrackBatch(sequence, numbers, times, ids, rois, positions, flags)
