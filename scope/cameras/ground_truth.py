"""Where simulated beads really were, by frame."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

TRUTH_DTYPE = np.dtype(
    [("frame", "<u8"), ("t_unix_s", "<f8"), ("bead", "<u4"), ("x_px", "<f8"), ("y_px", "<f8"), ("z_nm", "<f8")]
)
"""One bead in one frame; 0 is the middle of the frame's first pixel, z the height above focus."""

Rows = NDArray[np.void]


class GroundTruth:
    """Keeps the rows of the last frames.

    Args:
        frames: how many; memory is 44 bytes a bead and frame.
    """

    def __init__(self, frames: int = 1000) -> None:
        self._kept: deque[Rows] = deque(maxlen=frames)

    def add(self, number: int, t: float, positions: NDArray[np.float64]) -> Rows:
        """Keep where the beads are in a frame; return its rows.

        Args:
            number: of the frame.
            t: seconds since 1970 UTC.
            positions: x and y in px and z in nm, (beads, 3).
        """
        rows = np.empty(len(positions), TRUTH_DTYPE)
        rows["frame"], rows["t_unix_s"] = number, t
        rows["bead"] = np.arange(len(positions))
        rows["x_px"], rows["y_px"], rows["z_nm"] = positions.T
        self._kept.append(rows)
        return rows

    def rows(self) -> Rows:
        """Return what is kept, oldest frame first, of ``TRUTH_DTYPE``."""
        return np.concatenate(list(self._kept)) if self._kept else np.empty(0, TRUTH_DTYPE)
