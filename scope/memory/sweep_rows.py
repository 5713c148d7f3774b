"""Profiles taken during a sweep of the focus."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class SweepRows(NamedTuple):
    """Columns of a :class:`ZLUTSweepDataset`, one row per bead and frame."""

    bead_ids: NDArray[np.uint32]
    """(n,)."""
    steps: NDArray[np.uint32]
    """Number of the focus position, from 0; (n,)."""
    timestamps: NDArray[np.float64]
    """s since 1970 UTC; (n,)."""
    motor_z: NDArray[np.float64]
    """Where the focus motor was, nm; (n,)."""
    valid: NDArray[np.uint8]
    """1 where the bead was tracked; (n,)."""
    profiles: NDArray[np.float64]
    """(n, bins)."""
