"""The simulated camera: its settings, its pace, and that its truth is true."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opticstream.core.errors import BadFile, BadInput
from opticstream.scope.bead_image import BeadImage
from opticstream.scope.camera import DummyCameraBeads
from opticstream.scope.cameras import TRUTH_DTYPE, read_truth
from opticstream.scope.tracking import Tracker, TrackingOptions, zlut_from_sweep
from support.memory_sink import HandClock, MemorySink

QUIET = {"fixed_n": "2", "tethered_n": "2"}


def _camera(clock: HandClock, settings: dict[str, str] | None = None, **options: Any) -> DummyCameraBeads:
    camera = DummyCameraBeads(clock=clock, **options)
    for name, value in (settings or {}).items():
        camera.set_setting(name, value)
    return camera


def _run(camera: DummyCameraBeads, clock: HandClock, sink: MemorySink, frames: int) -> None:
    period = 1.0 / float(camera._values["framerate"])
    for _ in range(frames):
        camera.fetch()
        clock.now += period


def test_it_is_the_documented_camera() -> None:
    camera = DummyCameraBeads()
    assert (camera.width, camera.height, camera.bits, camera.dtype, camera.nm_per_px) == (512, 256, 8, np.uint8, 200.0)
    assert {name: camera[name] for name in camera.settings} == {
        "framerate": "30",
        "fixed_n": "5",
        "fixed_z": "0",
        "tethered_n": "3",
        "tethered_z": "0",
        "tethered_z_sigma": "0.3",
        "tethered_xy_sigma": "3",
        "gain": "25000",
        "seed": "1",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("framerate", value) for value in ("0.9", "10001", "nan", "fast", "")),
        *(("fixed_n", value) for value in ("-1", "5001", "2.5")),
        *(("tethered_n", value) for value in ("-1", "5001", "2.5")),
        *(("gain", value) for value in ("0", "-3", "inf")),
        *(("seed", value) for value in ("-1", "0.5")),
        ("tethered_z_sigma", "-0.1"),
    ],
)
def test_settings_outside_their_range_are_refused_and_change_nothing(name: str, value: str) -> None:
    camera = DummyCameraBeads()
    before = camera[name]
    with pytest.raises(ValueError, match=f"camera setting {name}"):
        camera[name] = value
    assert camera[name] == before


def test_the_same_seed_shows_the_same_also_after_a_journey_to_another_process() -> None:
    shown = []
    for seed in ("4", "4", "5"):
        clock, sink = HandClock(), MemorySink(256, 512)
        camera = pickle.loads(pickle.dumps(_camera(clock, {**QUIET, "seed": seed})))
        clock = camera._given_clock  # the journey copied it
        camera.connect(sink)
        _run(camera, clock, sink, 3)
        shown.append((sink.frames.copy(), camera.truth()[["x_px", "y_px", "z_nm"]]))
    assert np.array_equal(shown[0][0], shown[1][0])
    assert np.array_equal(shown[0][1], shown[1][1])
    assert not np.array_equal(shown[0][1], shown[2][1])
    assert not np.array_equal(shown[0][0][0], shown[0][0][1])


def test_frames_come_at_the_rate_asked_for_which_reads_back() -> None:
    clock, sink = HandClock(), MemorySink(256, 512)
    camera = _camera(clock, {**QUIET, "framerate": "50"})
    camera.connect(sink)
    start = clock.now
    for _ in range(400):
        camera.fetch()
        clock.now += 0.005
    assert np.diff(sink.times) == pytest.approx(np.full(99, 0.02), abs=1e-5)
    assert (len(sink.times), sink.numbers) == (100, list(range(100)))
    assert sink.times[0] == start
    assert float(camera["framerate"]) == pytest.approx(50.0, abs=0.05)
    assert 0 < camera.fetch_wait_s() <= 0.02
    camera["framerate"] = "10"
    clock.now += 60
    assert camera["framerate"] == "10"


def test_a_camera_that_cannot_keep_up_is_slower_and_loses_nothing() -> None:
    clock, sink = HandClock(), MemorySink(256, 512)
    camera = _camera(clock, {**QUIET, "framerate": "1000"})
    camera.connect(sink)
    for _ in range(60):
        camera.fetch()
        clock.now += 0.02
    assert sink.numbers == list(range(60))
    assert float(camera["framerate"]) == pytest.approx(50.0, rel=0.1)
    assert sink.times[-1] <= clock.now
    assert clock.now - sink.times[-1] < 0.2


def test_frames_that_find_no_room_are_numbered_and_known() -> None:
    clock, sink = HandClock(), MemorySink(256, 512, room=2)
    camera = _camera(clock, QUIET)
    camera.first_number = 7
    camera.connect(sink)
    _run(camera, clock, sink, 4)
    sink.clear()
    _run(camera, clock, sink, 1)
    assert sink.numbers == [11]
    assert camera.health.queue_full_events.value == 2
    assert sorted(set(camera.truth()["frame"].tolist())) == [7, 8, 9, 10, 11]


def test_beads_move_with_the_focus_and_with_their_settings() -> None:
    clock, sink = HandClock(), MemorySink(256, 512)
    camera = _camera(clock, {**QUIET, "tethered_z_sigma": "0"})
    camera.connect(sink)
    _run(camera, clock, sink, 1)
    camera.set_focus_offset(800)
    _run(camera, clock, sink, 1)
    camera["fixed_z"] = "-1.5"
    camera["fixed_n"] = "1"
    _run(camera, clock, sink, 1)
    truth = camera.truth()
    assert [truth["z_nm"][truth["frame"] == k].tolist() for k in range(3)] == [[0] * 4, [800] * 4, [-700, 800, 800]]
    for wrong in (float("nan"), 1e9):
        with pytest.raises(BadInput, match="focus offset"):
            camera.set_focus_offset(wrong)


def test_frames_may_be_larger_and_pixels_smaller() -> None:
    clock, sink = HandClock(), MemorySink(300, 640)
    camera = _camera(clock, {"fixed_n": "30"}, width=640, height=300, nm_per_px=100.0)
    camera.connect(sink)
    _run(camera, clock, sink, 1)
    assert camera.nm_per_px == 100.0
    assert len(camera.truth()) == 33
    with pytest.raises(BadInput, match="nm_per_px"):
        DummyCameraBeads(nm_per_px=100.0, bead=BeadImage(nm_per_px=200.0))


def test_the_tracker_finds_the_beads_where_the_truth_says() -> None:
    """The Z-LUT is made from the optics alone, so an error of camera or truth would show."""
    clock, sink = HandClock(), MemorySink(256, 512, room=150)
    camera = _camera(clock, {"framerate": "100"})
    camera.connect(sink)
    _run(camera, clock, sink, 150)
    truth = camera.truth().reshape(150, 8)
    heights = np.arange(-2500.0, 2500.1, 50.0)
    middle = np.full(len(heights), 25.0)
    stack = camera._bead.stack(np.column_stack([middle, middle, heights]), 50)
    options = TrackingOptions.of("linear_bins")
    profiles = Tracker(options).track(np.rint(np.clip(stack, 0, 1) * 65535).astype(np.uint16)).profiles
    lut = zlut_from_sweep(np.arange(len(heights)), heights, profiles, binning="linear")
    corners = np.rint(np.column_stack([truth["x_px"][0], truth["y_px"][0]])).astype(int) - 25
    tracks = Tracker(options, lut).track_frames(sink.frames, corners, 50)
    places = np.column_stack([tracks.x, tracks.y, tracks.z]).reshape(150, 8, 3)
    error = np.abs(places - np.stack([truth["x_px"], truth["y_px"], truth["z_nm"]], axis=-1))
    assert np.isfinite(places).mean() > 0.98
    assert (np.nanmedian(error, axis=(0, 1)) < [0.02, 0.02, 10.0]).all()


def test_truth_is_stored_beside_and_continued_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "new" / "truth.npy"
    for first in (0, 3):
        clock, sink = HandClock(), MemorySink(256, 512)
        camera = _camera(clock, QUIET, truth_file=file)
        camera.first_number = first
        camera.connect(sink)
        _run(camera, clock, sink, 3)
        camera.disconnect()
        camera.disconnect()
    rows = read_truth(file)
    assert rows.dtype == TRUTH_DTYPE
    assert rows["frame"].tolist() == np.repeat(np.arange(6), 4).tolist()
    assert np.array_equal(rows[12:], camera.truth())


def test_a_truth_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "truth.npy"
    np.save(file, np.arange(5))
    before = file.read_bytes()
    with pytest.raises(BadFile, match=r"truth\.npy"):
        _camera(HandClock(), truth_file=file).connect(MemorySink(256, 512))
    assert file.read_bytes() == before
