"""Trackers find beads where the simulation put them."""

import numpy as np
import pytest

from opticstream.scope.bead_image import BeadImage
from opticstream.scope.tracking import Tracker, TrackingOptions
from opticstream.scope.tracking.options import Mode
from support.beads import Beads, scattered_beads, sweep

ROI = 64


@pytest.fixture(scope="module")
def beads(bead: BeadImage) -> Beads:
    return scattered_beads(bead, 300, ROI, seed=7)


def _z_error(bead: BeadImage, beads: Beads, mode: Mode, step_nm: float) -> float:
    options = TrackingOptions.of(mode)
    tracks = Tracker(options, sweep(bead, ROI, options, step_nm)).track(beads.crops)
    assert tracks.good.mean() > 0.98
    return float(np.nanmedian(np.abs(tracks.z - beads.truth[:, 2])))


@pytest.mark.parametrize("mode", ["magtrack", "linear_bins"])
def test_x_and_y_are_found_to_a_fiftieth_of_a_pixel(beads: Beads, mode: Mode) -> None:
    tracks = Tracker(TrackingOptions.of(mode)).track(beads.crops)
    assert tracks.good.all()
    assert np.median(np.abs(tracks.x - beads.truth[:, 0])) < 0.02
    assert np.median(np.abs(tracks.y - beads.truth[:, 1])) < 0.02
    assert np.abs(tracks.x - beads.truth[:, 0]).max() < 0.5
    assert np.isnan(tracks.z).all()


def test_linear_bins_make_z_several_times_better(bead: BeadImage, beads: Beads) -> None:
    rounded, linear = (_z_error(bead, beads, mode, 100.0) for mode in ("magtrack", "linear_bins"))
    assert linear < 10
    assert linear < rounded / 3


def test_a_finer_table_makes_z_better(bead: BeadImage, beads: Beads) -> None:
    assert _z_error(bead, beads, "linear_bins", 25.0) < 3


def test_a_bead_that_moves_along_one_axis_moves_along_that_axis(bead: BeadImage) -> None:
    truth = np.array([[20.0, 31.0, 1500.0], [24.0, 31.0, 1500.0], [24.0, 34.0, 1500.0]])
    crops = np.rint(bead.stack(truth, ROI).clip(0, 1) * 65535).astype(np.uint16)
    tracks = Tracker().track(crops)
    assert np.allclose(np.column_stack([tracks.x, tracks.y]), truth[:, :2], atol=0.05)
    assert tracks.positions_nm(100.0, 2.0)[0, 0] == tracks.x[0] * 50.0


def test_frames_give_what_their_crops_give(bead: BeadImage) -> None:
    random = np.random.default_rng(3)
    frames = random.integers(90, 110, (3, 150, 201), dtype=np.uint8)
    corners = np.array([[0, 0], [137, 86], [40, 5]])
    beads = scattered_beads(bead, 9, ROI, seed=1)
    for job, (x0, y0) in enumerate(np.tile(corners, (3, 1))):
        frames[job // 3, y0 : y0 + ROI, x0 : x0 + ROI] = beads.crops[job]
    tracks = Tracker().track_frames(frames, corners, ROI)
    # The third crop overlaps the first, so it is read back from the frames.
    crops = np.stack([f[y : y + ROI, x : x + ROI] for f in frames for x, y in corners])
    own = Tracker().track(crops)
    assert np.array_equal(tracks.x, own.x + np.tile(corners[:, 0], 3), equal_nan=True)
    assert np.array_equal(tracks.y, own.y + np.tile(corners[:, 1], 3), equal_nan=True)
    single = Tracker().track_frames(frames[1], corners, ROI)
    assert np.array_equal(single.x, tracks.x[3:6], equal_nan=True)


@pytest.mark.parametrize("number", [0, 1, 16, 17, 33, 1000])
def test_threads_change_nothing(beads: Beads, number: int) -> None:
    crops = np.resize(beads.crops, (number, *beads.crops.shape[1:]))
    alone = Tracker().track(crops)
    with Tracker(threads=3) as tracker:
        for _ in range(3):
            shared = tracker.track(crops)
            assert np.array_equal(shared.x, alone.x, equal_nan=True)
            assert np.array_equal(shared.profiles, alone.profiles, equal_nan=True)
