"""Crops of beads whose places are known, and the Z-LUT that fits them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.bead_image import BeadImage, expose
from opticstream.scope.tracking import Tracker, TrackingOptions, ZLut, zlut_from_sweep


@dataclass(frozen=True)
class Beads:
    crops: NDArray[Any]
    truth: NDArray[np.float64]
    """x and y in px, z in nm; (n, 3)."""


def scattered_beads(
    bead: BeadImage, number: int, roi: int, seed: int, kind: type[Any] = np.uint8, z_nm: float = 4000.0
) -> Beads:
    """Return crops with one bead each within 1.5 px of the middle, with shot noise."""
    random = np.random.default_rng(seed)
    middle = (roi - 1) / 2
    places = random.uniform(-1.5, 1.5, (number, 2)) + middle
    truth = np.column_stack([places, random.uniform(-z_nm, z_nm, number)])
    return Beads(expose(bead.stack(truth, roi), random, kind=kind), truth)


def sweep(bead: BeadImage, roi: int, options: TrackingOptions, step_nm: float) -> ZLut:
    """Return the Z-LUT of a bead that stands still while the focus moves."""
    heights = np.arange(-5000.0, 5000.1, step_nm)
    middle = np.full(len(heights), (roi - 1) / 2)
    crops = expose(bead.stack(np.column_stack([middle, middle, heights]), roi))
    profiles = Tracker(options).track(crops).profiles
    binning = "linear" if options.mode == "linear_bins" else "rounded"
    oversample = options.radial_profile.oversample
    return zlut_from_sweep(np.arange(len(heights)), heights, profiles, binning=binning, oversample=oversample)
