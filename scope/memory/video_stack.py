"""Frames that are tracked together."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class VideoStack(NamedTuple):
    """One full stack of a :class:`VideoBuffer`: views of shared memory, valid until the stack is released."""

    images: NDArray[Any]
    """(X, Y, T), the buffer's type. To be read only, though not marked so: numba compiles every kernel once more for
    arrays that are."""
    timestamps: NDArray[np.float64]
    """When each frame was taken, s since 1970 UTC; (T,)."""
    numbers: NDArray[np.uint64]
    """The camera's number of each frame, increasing; a gap is a dropped frame; (T,)."""
    sequence: int
    """Number of the stack, from 0, over all stacks ever written."""

    @property
    def frames(self) -> NDArray[Any]:
        """The images as they lie in memory, what the tracker takes: (T, Y, X), C order."""
        return self.images.T
