"""A bad crop is flagged and leaves the others alone; a bad call gets one clear error."""

from typing import Any

import numpy as np
import pytest

from opticstream.core.errors import BadInput
from opticstream.scope.bead_image import BeadImage
from opticstream.scope.tracking import Tracker, TrackFlag, TrackingOptions, ZLut
from support.beads import scattered_beads, sweep

BACKENDS = pytest.mark.parametrize("backend", ["numba", "numpy"])
ROI = 50


@BACKENDS
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_bad_crops_are_flagged_and_the_others_tracked(bead: BeadImage, backend: Any, kind: Any) -> None:
    options = TrackingOptions.of()
    good = scattered_beads(bead, 5, ROI, seed=2, kind=kind).crops
    crops = good.copy()
    crops[0] = 0
    crops[2] = np.iinfo(kind).max
    crops[4] = 77
    tracker = Tracker(options, sweep(bead, ROI, options, 100.0), backend=backend)
    alone, mixed = tracker.track(good), tracker.track(crops)
    assert list(mixed.flags) == [TrackFlag.DARK, 0, TrackFlag.SATURATED, 0, TrackFlag.FLAT]
    for name in ("x", "y", "z", "profiles"):
        found, expected = getattr(mixed, name), getattr(alone, name)
        assert np.isnan(found[[0, 2, 4]]).all()
        assert np.array_equal(found[[1, 3]], expected[[1, 3]], equal_nan=True)


@BACKENDS
def test_noise_below_the_contrast_is_no_bead(bead: BeadImage, backend: Any) -> None:
    random = np.random.default_rng(0)
    crops = np.stack(
        [random.integers(0, 4, (ROI, ROI)), random.integers(100, 104, (ROI, ROI)), random.integers(4093, 4096, (ROI,) * 2)]
    ).astype(np.uint16)  # fmt: skip
    crops = np.concatenate([crops, scattered_beads(bead, 1, ROI, seed=2, kind=np.uint16).crops])
    options = TrackingOptions.from_mapping({"crop": {"min_contrast": 5, "full_scale": 4093}})
    tracks = Tracker(options, backend=backend).track(crops)
    assert list(tracks.flags) == [TrackFlag.DARK, TrackFlag.FLAT, TrackFlag.SATURATED, 0]


@BACKENDS
def test_a_crop_beyond_the_frame_is_flagged(bead: BeadImage, backend: Any) -> None:
    frame = np.full((60, 70), 100, np.uint8)
    frame[5:55, 10:60] = scattered_beads(bead, 1, ROI, seed=2).crops[0]
    corners = [(10, 5), (-1, 5), (21, 5), (10, -1), (10, 11), (10**6, 5)]
    tracks = Tracker(backend=backend).track_frames(frame, corners, ROI)
    assert list(tracks.flags) == [0, *[TrackFlag.OUT_OF_FRAME] * 5]
    assert np.isnan(tracks.x[1:]).all() and np.isnan(tracks.profiles[1:]).all()
    small = Tracker(backend=backend).track_frames(frame[:40], corners, ROI)
    assert (small.flags == TrackFlag.OUT_OF_FRAME).all()


@BACKENDS
def test_a_bead_at_the_edge_is_flagged(backend: Any) -> None:
    crops = np.full((1, ROI, ROI), 10, np.uint8)
    crops[0, :, :2] = 250
    tracks = Tracker(backend=backend).track(crops)
    assert tracks.flags[0] in (TrackFlag.LEFT_CROP, TrackFlag.NOT_CONVERGED)
    assert np.isnan(tracks.x[0]) and np.isnan(tracks.y[0])


@BACKENDS
def test_a_profile_that_says_nothing_has_no_z(bead: BeadImage, backend: Any) -> None:
    zlut = ZLut(np.arange(20) * 100.0, np.ones((25, 20)))
    tracks = Tracker(zlut=zlut, backend=backend).track(scattered_beads(bead, 1, ROI, seed=2).crops)
    assert tracks.flags[0] & (TrackFlag.OUTSIDE_ZLUT | TrackFlag.NO_Z)
    assert np.isfinite(tracks.x[0]) and np.isnan(tracks.z[0])


@BACKENDS
def test_no_crops_give_no_tracks(backend: Any) -> None:
    tracks = Tracker(backend=backend).track(np.zeros((0, ROI, ROI), np.uint8))
    assert len(tracks) == 0 and tracks.profiles.shape == (0, 25)
    assert len(Tracker(backend=backend).track_frames(np.zeros((9, 9), np.uint8), np.zeros((0, 2), int), ROI)) == 0


@BACKENDS
def test_order_and_strides_of_the_camera_do_not_matter(bead: BeadImage, backend: Any) -> None:
    crops = scattered_beads(bead, 3, ROI, seed=2, kind=np.uint16).crops
    tracker = Tracker(backend=backend)
    expected = tracker.track(crops).x
    for other in (crops.astype(">u2"), np.asfortranarray(crops), np.repeat(crops, 2, axis=2)[:, :, ::2]):
        assert np.array_equal(tracker.track(other).x, expected)
    crops.flags.writeable = False
    assert np.array_equal(tracker.track(crops).x, expected)


@pytest.mark.parametrize(
    ("crops", "part"),
    [
        (np.zeros((2, 10, 11), np.uint8), "shape (2, 10, 11)"),
        (np.zeros((10, 10), np.uint8), "shape (10, 10)"),
        (np.zeros((1, 10, 10)), "float64"),
        (np.zeros((1, 7, 7), np.uint8), "7 px"),
    ],
)
def test_wrong_crops_are_refused(crops: Any, part: str) -> None:
    with pytest.raises(BadInput) as caught:
        Tracker().track(crops)
    assert part in str(caught.value)


def test_wrong_corners_and_threads_are_refused() -> None:
    frame = np.zeros((60, 60), np.uint8)
    for corners in ([[0.5, 1.0]], [1, 2], [[1, 2, 3]]):
        with pytest.raises(BadInput, match="corners"):
            Tracker().track_frames(frame, corners, ROI)
    with pytest.raises(BadInput, match="frames"):
        Tracker().track_frames(frame[None, None], [[0, 0]], ROI)
    with pytest.raises(BadInput, match="threads"):
        Tracker(threads=0)


def test_a_table_that_does_not_fit_is_refused() -> None:
    z, profiles = np.arange(20) * 100.0, np.random.default_rng(0).random((25, 20))
    with pytest.raises(BadInput, match="linear bins"):
        Tracker(TrackingOptions.of(), ZLut(z, profiles, "linear"))
    with pytest.raises(BadInput, match="2 bins per pixel"):
        Tracker(TrackingOptions.of(), ZLut(z, profiles, "rounded", 2))
    with pytest.raises(BadInput, match="32 for crops of 64 px"):
        Tracker(zlut=ZLut(z, profiles)).track(np.zeros((1, 64, 64), np.uint8))
