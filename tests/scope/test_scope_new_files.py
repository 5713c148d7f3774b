"""A recording that goes on in another file."""

from pathlib import Path

import numpy as np

from opticstream.scope.commands.broadcasts import SetSettingsCommand
from opticstream.scope.commands.camera import SetCameraSettingCommand
from opticstream.scope.commands.video import (
    LoadZLUTCommand,
    SetTrackingOptionsCommand,
    StartNewTrackingDataFileCommand,
)
from opticstream.scope.files import Recording
from opticstream.scope.ipc import Command
from opticstream.scope.scope import MagScope
from opticstream.scope.settings import MagScopeSettings
from opticstream.scope.simulated_zlut import simulated_zlut
from opticstream.scope.tracking import TrackingOptions
from support.running_scope import QUICK, make_scope, running
from support.scope_faults import checked, recording_begun, recordings, stored_numbers, tracked_numbers, tracks_go_on
from support.waiting import until

IMAGES = QUICK["video buffer n images"]


def _before_and_after(scope: MagScope, folder: Path, command: Command) -> tuple[Recording, Recording]:
    """Return what was recorded before and after a command; together it is every frame that was tracked."""
    with running(scope):
        first = recording_begun(scope)
        tracks_go_on(scope, 30)
        until(lambda: scope.video_buffer.frames_written % IMAGES == IMAGES // 2, "a stack is half full")
        scope.send(command)
        recording_begun(scope, first)
        tracks_go_on(scope, 30)
    before, after = recordings(folder)
    stored = stored_numbers([before, after])
    assert stored == {number for number in tracked_numbers(checked(after.ledger)) if number >= min(stored)}
    assert len(stored) == len(before.frame_numbers) + len(after.frame_numbers), "none is in both"
    assert after.attributes["recording_start_ns"] <= after.frame_timestamps_ns.min()
    return before, after


def test_a_new_file_goes_on_where_the_one_before_ended(tmp_path: Path) -> None:
    before, _ = _before_and_after(make_scope(tmp_path), tmp_path, StartNewTrackingDataFileCommand())
    assert before.attributes["close_reason"] == "a new file was asked for"


def test_each_file_has_the_scale_that_it_says(tmp_path: Path) -> None:
    settings = SetSettingsCommand(MagScopeSettings(QUICK | {"magnification": 2.0}))
    found = _before_and_after(make_scope(tmp_path), tmp_path, settings)
    assert [one.attributes["magnification"] for one in found] == [1.0, 2.0]
    bead = int(found[0].bead_ids[0])
    places = [one.bead(bead)[1][:, 0] * one.attributes["magnification"] for one in found]
    middle = np.nanmedian(places[0])
    assert all((abs(one - middle) < 0.1 * middle).all() for one in places)


def test_each_file_names_the_zlut_its_heights_are_from(tmp_path: Path) -> None:
    scope = make_scope(tmp_path)
    path = tmp_path / "lut.txt"
    simulated_zlut(TrackingOptions.of(), 50, float(scope.camera_manager.camera.nm_per_px)).save(path)
    before, after = _before_and_after(scope, tmp_path, LoadZLUTCommand(str(path)))
    assert before.zlut is None and not before.attributes["zlut_path"] and np.isnan(before.positions_nm[:, 2]).all()
    assert after.zlut is not None and after.attributes["zlut_path"] == str(path)
    known = np.isfinite(after.positions_nm[:, 2])  # of a bead that is out of its range the height may be unknown
    assert np.logical_or.reduceat(known, after.frame_offsets[:-1].astype(np.int64)).all() and known.mean() > 0.5


def test_each_file_says_how_its_beads_were_tracked(tmp_path: Path) -> None:
    own, other = (TrackingOptions.of(*mode).model_dump() for mode in ((), ("linear_bins",)))
    assert own != other
    before, after = _before_and_after(make_scope(tmp_path), tmp_path, SetTrackingOptionsCommand(other))
    assert [before.attributes["tracking_options"], after.attributes["tracking_options"]] == [own, other]


def test_each_file_says_how_the_camera_was_set(tmp_path: Path) -> None:
    command = SetCameraSettingCommand("gain", "26000")
    found = _before_and_after(make_scope(tmp_path), tmp_path, command)
    settings = [one.attributes["camera_settings"] for one in found]
    camera = make_scope().camera_manager.camera
    assert all(one.keys() == set(camera.settings) for one in settings)
    assert [float(one["gain"]) for one in settings] == [float(camera["gain"]), 26000]
