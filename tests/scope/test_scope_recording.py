"""What is in a recording, and what is said of what is not."""

from functools import partial
from pathlib import Path

import h5py
import numpy as np

from opticstream.scope.commands.broadcasts import SetAcquisitionDirCommand, SetAcquisitionDirOnCommand
from opticstream.scope.files import read_tracking_file
from opticstream.scope.frame_ledger import FrameOutcome
from opticstream.scope.managers.simulated_focus_motor import SimulatedFocusMotor
from support.running_scope import make_scope, running
from support.scope_faults import (
    CountingDevice,
    busy_writer,
    checked,
    kill_helper,
    recording_begun,
    recordings,
    slow_writer,
    stored_numbers,
    tracked_numbers,
    tracks_go_on,
    writer_stuck_once,
)
from support.waiting import until


def test_frames_that_a_slow_disk_has_not_taken_at_the_end_are_said_not_to_be_stored(tmp_path):
    scope = make_scope(tmp_path)
    scope.video_processor_manager.file_writer = slow_writer
    scope.video_processor_manager.disk_patience_s = 0.6
    with running(scope):
        recording_begun(scope)
        tracks_go_on(scope, 60)
    assert scope.outcome.succeeded
    (file,) = tmp_path.glob("*.h5")
    recording = read_tracking_file(file)
    assert recording.closed and recording.attributes["close_reason"] == "the scope ended"
    ledger = checked(recording.ledger)
    stored = stored_numbers([recording])
    assert stored == {number for number in tracked_numbers(ledger) if number >= min(stored)}
    lost = ledger.ranges(FrameOutcome.NOT_STORED)
    assert {one.reason for one in lost} == {"the scope ended before the disk had taken it"}
    assert scope.summary()["frames_not_stored"] == sum(map(len, lost)) > 0


def test_a_writer_that_is_at_work_at_the_end_is_waited_for(tmp_path):
    """A computer that is busy is not a disk that hangs: what was recorded is worth more than two seconds."""
    scope = make_scope(tmp_path)
    scope.grace_s = 0.4
    scope.video_processor_manager.file_writer = busy_writer
    with running(scope):
        recording_begun(scope)
        tracks_go_on(scope, 60)
    assert scope.outcome.succeeded and scope.summary()["frames_not_stored"] == 0
    (recording,) = recordings(tmp_path)
    assert recording.closed and recording.attributes["close_reason"] == "the scope ended"
    assert stored_numbers([recording]) == tracked_numbers(checked(recording.ledger))


def test_what_waits_for_a_writer_that_dies_is_stored_though_its_recording_is_over(tmp_path):
    mark = tmp_path / "stuck"
    scope = make_scope(tmp_path)
    scope.video_processor_manager.file_writer = partial(writer_stuck_once, str(mark))
    with running(scope):
        first = recording_begun(scope)
        until(mark.exists, "the writer is stuck")
        tracks_go_on(scope, 30)
        scope.send(SetAcquisitionDirOnCommand(False))
        tracks_go_on(scope, 20)
        kill_helper(scope, 1)
        last = Path(recording_begun(scope, first))
        until(lambda: read_tracking_file(last).closed, "all that waited is stored")
    found = recordings(tmp_path)
    stored = stored_numbers(found)
    assert found[-1].attributes["close_reason"] == "saving was switched off"
    assert sorted(stored) == list(range(min(stored), max(stored) + 1)) and len(stored) >= 40
    assert stored == {n for n in tracked_numbers(checked(found[-1].ledger)) if min(stored) <= n <= max(stored)}
    assert scope.summary()["frames_not_stored"] == 0


def test_a_recording_holds_the_frames_between_its_start_and_its_end(tmp_path):
    """The predecessor's recordings began with frames from before the switch (W21)."""
    scope = make_scope()
    with running(scope):
        until(lambda: scope.beads and scope.shared_values.frames_tracked.value >= 30, "tracks before the recording")
        file = None
        for number in range(2):
            scope.send(SetAcquisitionDirCommand(str(tmp_path / str(number))))
            scope.send(SetAcquisitionDirOnCommand(True))
            file = recording_begun(scope, file)
            tracks_go_on(scope, 20)
            scope.send(SetAcquisitionDirOnCommand(False))
            tracks_go_on(scope, 20)
            until(lambda file=file: read_tracking_file(Path(file)).closed, "its file is closed")
    recordings = [read_tracking_file(file) for file in sorted(tmp_path.glob("*/*.h5"))]
    assert len(recordings) == 2 and not list(tmp_path.glob("*/Bead Profiles*"))
    for one in recordings:
        about, times = one.attributes, one.frame_timestamps_ns
        assert about["recording_start_ns"] <= times.min() == about["min_frame_timestamp_ns"]
        assert times.max() == about["max_frame_timestamp_ns"] <= about["closed_ns"]
        assert about["close_reason"] == "saving was switched off"
    first, second = recordings
    assert first.attributes["closed_ns"] <= second.attributes["recording_start_ns"]
    assert not stored_numbers([first]) & stored_numbers([second])


def test_a_recording_has_the_rows_of_the_devices_and_profiles_where_they_are_asked_for(tmp_path):
    scope = make_scope(tmp_path)
    scope.add_hardware(SimulatedFocusMotor())
    scope.video_processor_manager.save_profiles = True
    with running(scope):
        recording_begun(scope)
        buffer = scope._hardware_buffers["SimulatedFocusMotor"]
        before = buffer.written
        until(lambda: buffer.written >= before + 40, "rows of the motor")
    (file,) = tmp_path.glob("*.h5")
    recording = read_tracking_file(file)
    rows = recording.hardware["SimulatedFocusMotor"]
    assert recording.hardware_columns["SimulatedFocusMotor"] == (
        "timestamp",
        "current_z_nm",
        "target_z_nm",
        "at_target",
    )
    assert len(rows) >= 20 and (np.diff(rows[:, 0]) > 0).all()
    assert {tuple(row) for row in rows} <= {tuple(row) for row in np.loadtxt(tmp_path / "SimulatedFocusMotor.txt")}
    assert rows[0, 0] * 1e9 >= recording.attributes["recording_start_ns"]
    with h5py.File(file) as opened:
        assert opened["hardware/SimulatedFocusMotor"].attrs["rows_missed"] == 0

    pictures = {picture.name for picture in tmp_path.glob("*.png")}
    assert pictures == {"beads.png", "plot Focus nm.png"}

    (text,) = tmp_path.glob("Bead Profiles *.txt")
    assert text.stem.removeprefix("Bead Profiles") == file.stem.removeprefix("Tracking Data")
    lines = np.loadtxt(text)
    assert len(lines) == len(recording.bead_ids) and set(lines[:, 1]) == set(scope.beads)
    times = {int(line.split()[0].replace(".", "")) for line in text.read_text("ascii").splitlines()[1:]}
    assert times == set(recording.frame_timestamps_ns.tolist())
    assert np.nanstd(lines[:, 2:], axis=0).max() > 0


def test_two_devices_of_one_class_have_a_file_each(tmp_path):
    scope = make_scope(tmp_path)
    for name in ("left", "right"):
        device = CountingDevice()
        device.name = name
        scope.add_hardware(device)
    with running(scope):
        recording_begun(scope)
        buffers = [scope._hardware_buffers[name] for name in ("left", "right")]
        until(lambda: all(buffer.written >= 60 for buffer in buffers), "rows of both")
    for name in ("left", "right"):
        numbers = np.loadtxt(tmp_path / f"{name}.txt")[:, 1]
        assert len(numbers) >= 30 and (np.diff(numbers) == 1).all()
