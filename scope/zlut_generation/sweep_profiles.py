"""The profiles of a sweep, added up as they come."""

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadInput
from opticstream.scope.tracking.zlut import Binning, ZLut, zlut_from_sweep

_MOST_BYTES = 1 << 30


class SweepProfiles:
    """Sums by height and bead: memory does not grow with the number of frames.

    Args:
        steps: heights of the sweep.
        beads: how many there are.
        bins: of a profile.

    Raises:
        BadInput: fewer than 2 bins, or the sums would need more than 1 GiB.
    """

    def __init__(self, steps: int, beads: int, bins: int) -> None:
        if bins < 2:
            raise BadInput("Z-LUT sweep: profile length", found=str(bins), expected="2 bins or more")
        size = steps * beads * bins * 12
        if size > _MOST_BYTES:
            raise BadInput(
                "Z-LUT sweep", found=f"{steps} heights of {beads} beads: {size / 1e9:.1f} GB", expected="at most 1 GiB",
                action="Take fewer heights, or fewer beads.",
            )  # fmt: skip
        self.bins = bins
        self._sums = np.zeros((steps, beads, bins))
        self._counts = np.zeros((steps, beads, bins), np.uint32)
        self._z = np.zeros((steps, beads))
        self.taken = np.zeros((steps, beads), np.int64)
        """Usable profiles so far, (steps, beads)."""

    def add(self, step: int, bead: int, profiles: NDArray[np.float64], z_nm: float) -> None:
        """Add profiles (n, bins) of one bead, taken with the motor at ``z_nm``; one without any number is left out."""
        known = np.isfinite(profiles)
        usable = int(known.any(axis=1).sum())
        self._sums[step, bead] += np.where(known, profiles, 0.0).sum(axis=0)
        self._counts[step, bead] += known.sum(axis=0).astype(np.uint32)
        self._z[step, bead] += usable * z_nm
        self.taken[step, bead] += usable

    def clear(self, step: int) -> None:
        """Forget all profiles of a height."""
        for array in (self._sums, self._counts, self._z, self.taken):
            array[step] = 0

    def zlut(self, bead: int, binning: Binning, oversample: int) -> ZLut:
        """Return the Z-LUT of one bead: mean profile and mean motor position of each height.

        Raises:
            BadInput: a height has no usable profile.
        """
        counts, taken = self._counts[:, bead], self.taken[:, bead]
        means = np.where(counts > 0, self._sums[:, bead] / np.maximum(counts, 1), np.nan)
        z = self._z[:, bead] / np.maximum(taken, 1)
        return zlut_from_sweep(
            np.arange(len(z)), z, means, steps=len(z), valid=taken > 0, binning=binning, oversample=oversample
        )
