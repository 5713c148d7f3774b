"""The kernel and NumPy give the same answers, whatever the size, type, options and place of a crop."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opticstream.scope.bead_image import BeadImage
from opticstream.scope.tracking import Tracker, TrackFlag, TrackingOptions, Tracks
from support.beads import scattered_beads, sweep

XY_PX, Z_NM = 1e-8, 1e-5
"""The tolerances the documentation names."""


def _agree(crops: Any, options: TrackingOptions, zlut: Any = None) -> tuple[Tracks, Tracks]:
    compiled, plain = (Tracker(options, zlut, backend=backend).track(crops) for backend in ("numba", "numpy"))
    assert np.array_equal(compiled.flags, plain.flags)
    np.testing.assert_allclose(compiled.x, plain.x, rtol=0, atol=XY_PX)
    np.testing.assert_allclose(compiled.y, plain.y, rtol=0, atol=XY_PX)
    return compiled, plain


@st.composite
def _options(draw: st.DrawFn) -> TrackingOptions:
    chosen = {
        "mode": draw(st.sampled_from(["magtrack", "linear_bins"])),
        "center_of_mass": {"background": draw(st.sampled_from(["none", "mean", "median"]))},
        "n auto_conv_multiline_sub_pixel": draw(st.integers(1, 6)),
        "auto_conv_multiline_sub_pixel": {
            "line_ratio": draw(st.sampled_from([0.0, 0.1, 0.3])),
            "n_local": draw(st.integers(3, 7)),
        },
        "radial_profile": {"oversample": draw(st.integers(1, 3))},
        "crop": {"min_contrast": draw(st.integers(0, 20))},
    }
    return TrackingOptions.from_mapping(chosen)


@settings(max_examples=60, deadline=None)
@given(
    options=_options(), roi=st.integers(8, 90), kind=st.sampled_from([np.uint8, np.uint16]),
    shift=st.tuples(st.floats(-4, 4), st.floats(-4, 4)), z=st.floats(-4500, 4500), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_kernel_and_numpy_agree(
    bead: BeadImage, options: TrackingOptions, roi: int, kind: Any, shift: tuple[float, float], z: float, seed: int
) -> None:
    level = bead.draw(roi / 2 + shift[0], roi / 2 + shift[1], z, roi).clip(0, 1)
    random = np.random.default_rng(seed)
    noisy = (level + random.normal(0, 0.01, (3, roi, roi))).clip(0, 1)
    compiled, plain = _agree(np.rint(noisy * np.iinfo(kind).max).astype(kind), options)
    assert np.array_equal(np.isnan(compiled.profiles), np.isnan(plain.profiles))
    np.testing.assert_allclose(compiled.profiles, plain.profiles, rtol=1e-7)


@settings(max_examples=40, deadline=None)
@given(roi=st.integers(8, 40), kind=st.sampled_from([np.uint8, np.uint16]), seed=st.integers(0, 2**32 - 1))
def test_anything_at_all_gives_a_place_in_the_crop_or_a_flag(roi: int, kind: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    top = random.integers(1, np.iinfo(kind).max, endpoint=True)
    crops = random.integers(0, top, (4, roi, roi), dtype=kind, endpoint=True)
    for backend in ("numba", "numpy"):
        tracks = Tracker(backend=backend).track(crops)
        assert np.array_equal(np.isnan(tracks.x), tracks.flags != 0)
        assert np.array_equal(np.isnan(tracks.y), tracks.flags != 0)
        good = tracks.good
        assert ((tracks.x[good] > -0.5) & (tracks.x[good] < roi - 0.5)).all()


@pytest.mark.parametrize("mode", ["magtrack", "linear_bins"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_z_agrees(bead: BeadImage, mode: Any, kind: Any) -> None:
    options = TrackingOptions.of(mode)
    zlut = sweep(bead, 50, options, 100.0)
    compiled, plain = _agree(scattered_beads(bead, 100, 50, seed=5, kind=kind).crops, options, zlut)
    assert compiled.good.sum() > 95
    np.testing.assert_allclose(compiled.z, plain.z, rtol=0, atol=Z_NM)


def test_an_end_of_the_table_is_an_end_for_both(bead: BeadImage) -> None:
    options = TrackingOptions.of("linear_bins")
    zlut = sweep(bead, 50, options, 100.0)
    level = bead.stack([[25.0, 25.0, -4990.0], [25.0, 25.0, 4990.0], [25.0, 25.0, 0.0]], 50)
    crops = np.rint(level.clip(0, 1) * 255).astype(np.uint8)
    compiled, _ = _agree(crops, options, zlut)
    assert list(compiled.flags) == [TrackFlag.OUTSIDE_ZLUT, TrackFlag.OUTSIDE_ZLUT, TrackFlag.OK]
    assert np.isfinite(compiled.x).all()
    assert list(np.isnan(compiled.z)) == [True, True, False]


def test_numpy_needs_no_compiler() -> None:
    script = (
        "import sys, numpy as np; from opticstream.scope.tracking import Tracker; "
        "Tracker(backend='numpy').track(np.eye(20, dtype='u1')[None] * 9); "
        "sys.exit('numba' in sys.modules or 'prefect' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
