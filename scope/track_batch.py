"""What is known of the beads in one stack of frames."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class TrackBatch:
    """Positions of B beads in F frames that were taken one after the other."""

    sequence: int
    """Number of the stack, from 0, without gaps over all stacks that were taken from the video buffer."""
    frame_numbers: NDArray[np.uint64]
    """The camera's, increasing; a gap is a frame that the camera or the buffer dropped; (F,)."""
    timestamps_ns: NDArray[np.int64]
    """When each frame was taken, ns since 1970 UTC; (F,)."""
    bead_ids: NDArray[np.uint32]
    """(B,)."""
    rois: NDArray[np.uint32]
    """x0, x1, y0, y1 in the frame, px, ends excluded; (B, 4)."""
    positions_nm: NDArray[np.float64]
    """x, y in the frame and z on the Z-LUT's scale, nm; NaN where a bead could not be tracked; (F, B, 3)."""
    flags: NDArray[np.uint16]
    """:class:`~opticstream.scope.tracking.TrackFlag` of each; 0 is good; (F, B)."""
