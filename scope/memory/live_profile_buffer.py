"""The newest radial profile of one bead, for who looks at it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opticstream.scope.memory.errors import BadValue
from opticstream.scope.memory.matrix_buffer import MatrixBuffer
from opticstream.scope.memory.shared_buffer import whole_numbers

_HEAD = 3
_KEPT = 4
"""Profiles kept, so that the last one stays whole while the next is written."""


class LiveProfile(NamedTuple):
    """A radial profile."""

    timestamp: float
    """Of its frame, s since 1970 UTC."""
    bead_id: int
    profile: NDArray[np.float64]
    """(bins,)."""


class LiveProfileBuffer(MatrixBuffer):
    """Rows of timestamp, bead id, length and samples padded with NaN; who looks wants the newest only.

    The video processor writes.

    Args:
        name: of the segment.
        create: make it; otherwise attach.
        capacity: samples of the longest profile; needed to create.

    Raises:
        BadValue: (a ValueError) the capacity is missing or impossible.
    """

    def __init__(self, name: str, create: bool, capacity: int | None = None) -> None:
        shape = (_KEPT, whole_numbers("live profile", capacity=capacity)[0] + _HEAD) if create else None
        super().__init__(name, create, shape)
        self.capacity = self.shape[1] - _HEAD

    def write_profile(self, timestamp: float, bead_id: int, profile: ArrayLike) -> None:
        """Make this the newest profile.

        Args:
            timestamp: of its frame, s since 1970 UTC.
            bead_id: whose it is.
            profile: (bins,), not longer than the capacity.

        Raises:
            BadValue: longer than the capacity.
        """
        samples = np.asarray(profile, np.float64).ravel()
        if len(samples) > self.capacity:
            raise BadValue("live profile", found=f"{len(samples)} samples", expected=f"{self.capacity} at most")
        row = np.full(self.shape[1], np.nan)
        row[:_HEAD] = timestamp, bead_id, len(samples)
        row[_HEAD : _HEAD + len(samples)] = samples
        self.write(row)

    def clear(self) -> None:
        """Say that there is no profile; the writer's."""
        self.write(np.full(self.shape[1], np.nan))

    def get_profile(self) -> LiveProfile | None:
        """Return a copy of the newest profile; None where there is none."""
        rows = self.newest(1)
        if not len(rows) or np.isnan(rows[0, 0]):
            return None
        timestamp, bead, length = rows[0, :_HEAD]
        return LiveProfile(float(timestamp), int(bead), rows[0, _HEAD : _HEAD + int(length)])
