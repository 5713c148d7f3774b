"""Where beads are."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """Positions of n crops, in the order they were given; a failed crop is NaN here and flagged, and no other is."""

    x: NDArray[np.float64]
    """Along a row, px; 0 is the middle of the first pixel of the crop, or of the frame it was taken from; (n,)."""
    y: NDArray[np.float64]
    """Along a column, px; (n,)."""
    z: NDArray[np.float64]
    """Height, nm, on the Z-LUT's scale; NaN without a Z-LUT; (n,)."""
    flags: NDArray[np.uint16]
    """:class:`~opticstream.scope.tracking.TrackFlag` of each; (n,)."""
    profiles: NDArray[np.float64]
    """Radial profiles, grey levels; NaN where a bin had no pixel; (n, bins)."""

    def __len__(self) -> int:
        return len(self.x)

    @property
    def good(self) -> NDArray[np.bool_]:
        """Which are without any flag; (n,)."""
        good: NDArray[np.bool_] = self.flags == 0
        return good

    def positions_nm(self, nm_per_px: float, magnification: float = 1.0) -> NDArray[np.float64]:
        """Return x, y, z in nm; (n, 3).

        Args:
            nm_per_px: edge of a camera pixel, nm.
            magnification: of the optics between sample and camera, no unit.
        """
        scale = nm_per_px / magnification
        found: NDArray[Any] = np.stack([self.x * scale, self.y * scale, self.z], axis=1)
        return found
