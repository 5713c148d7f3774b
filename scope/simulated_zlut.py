"""The Z-LUT of the beads that the simulated camera shows."""

import numpy as np

from opticstream.scope.bead_image import BeadImage
from opticstream.scope.tracking import Tracker, TrackingOptions, ZLut, zlut_from_sweep

_REACH_NM = 5000.0
_STEP_NM = 50.0
_OFFSETS_PX = ((-0.25, -0.25), (-0.25, 0.25), (0.25, -0.25), (0.25, 0.25))
"""Places of the bead within a pixel that are averaged: pixels meet other radii at each."""


def simulated_zlut(options: TrackingOptions, roi: int, nm_per_px: float) -> ZLut:
    """Return radial profiles of a simulated bead from 5,000 nm below focus to 5,000 nm above it, each 50 nm.

    Args:
        options: of the tracker that is to use it.
        roi: edge of its crops, px.
        nm_per_px: edge of a pixel in the sample, nm.
    """
    heights = np.arange(-_REACH_NM, _REACH_NM + _STEP_NM / 2, _STEP_NM)
    bead, middle = BeadImage(nm_per_px=nm_per_px), (roi - 1) / 2
    places = [(middle + x, middle + y, z) for z in heights for x, y in _OFFSETS_PX]
    crops = np.round(np.clip(bead.stack(places, roi), 0, 1) * 255).astype(np.uint8)
    number = len(_OFFSETS_PX)
    return zlut_from_sweep(
        np.repeat(np.arange(len(heights)), number),
        np.repeat(heights, number),
        Tracker(options, backend="numpy").track(crops).profiles,
        binning="linear" if options.mode == "linear_bins" else "rounded",
        oversample=options.radial_profile.oversample,
    )
