"""One stack of frames, as it is given to a worker."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.track_batch import TrackBatch


@dataclass(frozen=True, eq=False)
class StackTask:
    """Track these beads in that stack of the video buffer."""

    sequence: int
    """Number of the batch this becomes."""
    stack: int
    """Number of the stack in the video buffer, from its beginning."""
    bead_ids: NDArray[np.uint32]
    """(B,)."""
    rois: NDArray[np.uint32]
    """x0, x1, y0, y1, px, (B, 4)."""
    regions: NDArray[np.uint32]
    """Likewise, of all beads, also where none is tracked: of them video is recorded."""
    nm_per_px: float
    """Edge of a camera pixel divided by the magnification, nm."""
    profile_beads: tuple[int, ...] | None = ()
    """Whose radial profiles are wanted; None: everybody's."""


@dataclass(frozen=True, eq=False)
class StackResult:
    """What a worker found in a stack."""

    task: StackTask
    batch: TrackBatch | None
    """None: it failed."""
    profiles: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    """By bead, grey levels, (frames, bins)."""
    seconds: float = 0.0
    error: str = ""
    """Why there is no batch."""
