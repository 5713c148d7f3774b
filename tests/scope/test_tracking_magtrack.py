"""In its default mode our tracker gives magtrack's answers; what is compared is behaviour on shared images."""

import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from opticstream.scope.bead_image import BeadImage
from opticstream.scope.tracking import Tracker, TrackingOptions
from support.beads import scattered_beads, sweep

XY_PX, Z_NM = 1e-5, 1e-2


def _theirs(magtrack: ModuleType, crops: Any, table: Any, options: TrackingOptions) -> tuple[Any, ...]:
    stack = np.ascontiguousarray(crops.transpose(1, 2, 0)).astype(np.float64)
    refine = options.auto_conv_multiline_sub_pixel
    x, y = magtrack.center_of_mass(stack, background=options.center_of_mass.background)
    x, y = magtrack.auto_conv(stack, x, y)
    for _ in range(options.iterations):
        x, y = magtrack.auto_conv_multiline_sub_pixel(stack, x, y, line_ratio=refine.line_ratio, n_local=refine.n_local)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a bin without a pixel
        profiles = magtrack.radial_profile(stack, x, y, oversample=options.radial_profile.oversample)
        z = magtrack.lookup_z(profiles, table, n_local=options.lookup_z.n_local)
    return x, y, z, profiles.T


@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize(
    ("roi", "kind", "given"),
    [
        (50, np.uint8, {}),
        (64, np.uint8, {}),
        (64, np.uint16, {}),
        (51, np.uint8, {"center_of_mass": {"background": "mean"}}),
        (50, np.uint8, {"center_of_mass": {"background": "none"}, "n auto_conv_multiline_sub_pixel": 8}),
        (
            60,
            np.uint8,
            {"auto_conv_multiline_sub_pixel": {"line_ratio": 0.2, "n_local": 7}, "lookup_z": {"n_local": 5}},
        ),
        (40, np.uint8, {"radial_profile": {"oversample": 2}}),
    ],
)
def test_positions_are_those_of_magtrack(
    magtrack: ModuleType, bead: BeadImage, roi: int, kind: Any, given: Any, backend: Any
) -> None:
    options = TrackingOptions.from_mapping(given)
    zlut = sweep(bead, roi, options, 100.0)
    crops = scattered_beads(bead, 200, roi, seed=roi, kind=kind, z_nm=3500.0).crops
    x, y, z, profiles = _theirs(magtrack, crops, np.vstack([zlut.z_nm, zlut.profiles]), options)
    own = Tracker(options, zlut, backend=backend).track(crops)
    both = own.good
    assert both.mean() > 0.95
    assert np.abs(own.x - x)[both].max() < XY_PX
    assert np.abs(own.y - y)[both].max() < XY_PX
    flipped = np.nanmax(np.abs(own.profiles - profiles)[both], axis=1) > 1e-6
    assert flipped.mean() < 0.02, "pixels within rounding of a bin's edge are rare"
    assert np.quantile(np.abs(own.z - z)[both], 0.99) < Z_NM
    assert np.abs(own.z - z)[both][~flipped].max() < 1e-6


def test_places_without_an_answer_are_the_same(magtrack: ModuleType, bead: BeadImage) -> None:
    options = TrackingOptions.of()
    zlut = sweep(bead, 50, options, 100.0)
    level = bead.stack([[25.0, 25.0, z] for z in (-4990.0, -4700.0, 4650.0, 4990.0)], 50)
    crops = np.rint(level.clip(0, 1) * 255).astype(np.uint8)
    *_, z, _ = _theirs(magtrack, crops, np.vstack([zlut.z_nm, zlut.profiles]), options)
    own = Tracker(options, zlut).track(crops)
    assert list(np.isnan(own.z)) == list(np.isnan(z))
