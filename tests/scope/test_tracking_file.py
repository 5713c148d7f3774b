"""Tracking files: the documented layout, read back, while they grow, in order and by the clock."""

import dataclasses
import pickle
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.core.errors import BadFile, BadInput, WriteFailed
from opticstream.scope.files.batch_lost import BatchLost
from opticstream.scope.files.recording import read_tracking_file
from opticstream.scope.files.recording_info import RecordingInfo
from opticstream.scope.files.tracking_file import TrackingFile
from opticstream.scope.files.tracking_layout import TEXT_BYTES, cut_text
from opticstream.scope.files.tracking_writer import TrackingFileWriter, tracking_file_stem
from opticstream.scope.frame_ledger import FrameLedger, FrameOutcome, FrameRange
from opticstream.scope.tracking.zlut import ZLut
from support.track_batches import FRAME_NS, START_NS, make_batch

_INFO = RecordingInfo(
    scope_name="left",
    flow_run_id="run-1",
    camera_class="DummyCameraBeads",
    width_px=512,
    height_px=256,
    bits=8,
    nm_per_px=200.0,
    magnification=2.0,
    camera_settings={"framerate": 100},
    settings={"ROI": 50},
    tracking_options={"lookup_z": {"n_local": 7}},
    zlut=ZLut(np.arange(3.0), np.arange(6.0).reshape(2, 3), "linear"),
    zlut_path="luts/a.txt",
    hardware={"FocusMotor": ("timestamp", "current_z", "target_z")},
    include_roi_positions=True,
)


def _writer(folder: Path, **options: object) -> TrackingFileWriter:
    return TrackingFileWriter(folder, _INFO, **({"start_ns": START_NS} | options))  # type: ignore[arg-type]


def test_everything_is_read_back(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    writer.add_note(START_NS, "before the first frame")
    batches = [
        make_batch(0),
        make_batch(3, beads=2, bead0=1),
        make_batch(4, beads=0),
        make_batch(5, frames=1, first=99),
    ]
    for batch in batches:
        path = writer.append(batch)
    assert path is not None
    long = "täglich " * 400
    writer.add_note(START_NS + 5, long)
    rows = np.arange(6.0).reshape(2, 3)
    assert writer.add_telemetry("FocusMotor", rows[:1], 3)
    assert writer.add_telemetry("FocusMotor", rows[1:], 4)
    ledger = FrameLedger()
    ledger.tracked(batches[0].frame_numbers)
    ledger.purged(4, 11, "buffer full")
    assert writer.set_ledger(ledger)
    ledger.purged(12, 13, "buffer full")
    ledger.failed(14, 15, "worker died")
    writer.set_ledger(ledger)
    writer.close("the end")

    found = read_tracking_file(path)
    assert np.array_equal(found.frame_timestamps_ns, np.concatenate([b.timestamps_ns for b in batches]))
    assert found.frame_numbers is not None
    assert np.array_equal(found.frame_numbers, np.concatenate([b.frame_numbers for b in batches]))
    assert found.frame_offsets.tolist() == [0, 3, 6, 9, 12, 14, 16, 18, 20, 20, 20, 20, 20, 23]
    assert np.array_equal(
        found.positions_nm, np.concatenate([b.positions_nm.reshape(-1, 3) for b in batches]), equal_nan=True
    )
    assert found.flags is not None
    assert np.array_equal(found.flags, np.concatenate([b.flags.reshape(-1) for b in batches]))
    assert found.bead_ids.tolist() == [0, 1, 2] * 4 + [1, 2] * 4 + [0, 1, 2]
    assert found.roi_positions_px is not None
    assert found.roi_positions_px[:4].tolist() == [[0, 0], [10, 20], [20, 40], [0, 0]]
    assert found.batches["sequence"].tolist() == [0, 3, 4, 5]
    assert found.batches["record_start"].tolist() == [0, 12, 20, 20]
    assert found.rois["bead_id"].tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2]
    assert found.rois["roi_px"][3:6].tolist() == [[0, 0, 0, 0]] * 3
    assert found.notes == ((START_NS, "before the first frame"), (START_NS + 5, long))
    assert np.array_equal(found.hardware["FocusMotor"], rows)
    with h5py.File(path) as opened:
        assert opened["hardware/FocusMotor"].attrs["rows_missed"] == 7
    assert found.hardware_columns == {"FocusMotor": ("timestamp", "current_z", "target_z")}
    assert found.ledger == tuple(ledger.ranges())
    assert found.ledger[1] == FrameRange(4, 13, FrameOutcome.PURGED, "buffer full")
    assert found.zlut is not None
    assert found.zlut.shape == (3, 3)
    about = found.attributes
    assert (about["settings"], about["camera_settings"]) == ({"ROI": 50}, {"framerate": 100})
    assert (about["camera_nm_per_px"], about["magnification"], about["flow_run_id"]) == (200.0, 2.0, "run-1")
    assert _INFO.zlut is not None
    assert (about["zlut_sha256"], about["close_reason"]) == (_INFO.zlut.content_hash, "the end")
    assert found.closed
    times, track = found.bead(2)
    frames = [0, 1, 2, 3, 12, 13, 14, 15, 99]
    assert np.array_equal(track[:, 0], np.where(np.array(frames) == 12, np.nan, frames), equal_nan=True)
    assert ((times - np.uint64(START_NS)) // np.uint64(FRAME_NS)).tolist() == frames


def test_the_predecessors_layout_is_there(tmp_path: Path) -> None:
    """Names, types and attributes of spec V05, seen by h5py alone."""
    writer = _writer(tmp_path)
    writer.append(make_batch(0))
    writer.close("")
    (path,) = tmp_path.iterdir()
    expected = {
        "frame_timestamps_ns": "<u8", "frame_offsets": "<u8", "frame_batch_sequence": "<u8", "bead_ids": "<u2",
        "positions_nm": "<f8", "roi_positions_px": "<u2", "batch_sequence": "<u8", "batch_frame_start": "<u8",
        "batch_frame_count": "<u8", "batch_record_start": "<u8", "batch_record_count": "<u8",
    }  # fmt: skip
    with h5py.File(path) as file:
        group = file["tracking"]
        assert {name: group[name].dtype.str for name in expected} == expected
        assert (group["frame_offsets"].chunks, group["positions_nm"].chunks) == ((4096,), (65536, 3))
        assert group["batch_sequence"].chunks == (1024,)
        for home in (file, group):
            about = dict(home.attrs)
            assert about["schema_version"] == 1
            assert about["record_order"] == "writer_append_order"
            assert about["batch_sequence_order"] == "video_task_enqueue_order"
            assert about["include_roi_positions"]
            assert about["recording_start_ns"] == about["file_start_ns"] == START_NS
            assert about["rotation_interval_ns"] == 3600 * 10**9
            assert about["min_frame_timestamp_ns"] == START_NS
            assert about["max_frame_timestamp_ns"] == START_NS + 3 * FRAME_NS
        assert group.attrs["recording_id"] == writer.recording_id


_READER = """
import sys
from opticstream.scope.files.recording import read_tracking_file
from pathlib import Path
for line in sys.stdin:
    found = read_tracking_file(Path(line.strip()))
    print(len(found.frame_timestamps_ns), len(found.bead_ids), int(found.positions_nm[-1, 2]), found.closed,
          found.attributes["max_frame_timestamp_ns"], len(found.notes), flush=True)
"""


def test_another_process_reads_it_while_it_grows(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    reader = subprocess.Popen([sys.executable, "-c", _READER], stdin=-1, stdout=-1, text=True)
    with reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        for sequence in range(5):
            path = writer.append(make_batch(sequence))
            writer.add_note(START_NS, "a note")
            reader.stdin.write(f"{path}\n")
            reader.stdin.flush()
            last = START_NS + (4 * sequence + 3) * FRAME_NS
            expected = f"{4 * (sequence + 1)} {12 * (sequence + 1)} {sequence} False {last} {sequence + 1}"
            assert reader.stdout.readline().strip() == expected
        writer.close("")
        reader.stdin.close()
    assert reader.returncode == 0


def test_frames_from_before_the_start_are_left_out(tmp_path: Path) -> None:
    writer = _writer(tmp_path, start_ns=START_NS + 6 * FRAME_NS)
    assert writer.append(make_batch(0)) is None
    assert list(tmp_path.iterdir()) == []
    path = writer.append(make_batch(1))
    writer.close("")
    assert path is not None
    found = read_tracking_file(path)
    assert found.frame_numbers is not None
    assert found.frame_numbers.tolist() == [6, 7]
    assert found.positions_nm[:, 0].tolist()[:3] == [6, 6, 6]


def test_a_new_file_after_each_interval(tmp_path: Path) -> None:
    minutes = 8 * FRAME_NS / 60e9  # two batches
    writer = _writer(tmp_path, rotation_minutes=minutes)
    late = make_batch(3, first=40)
    early = make_batch(4, first=9)  # the clock was set back
    paths = [writer.append(batch) for batch in (make_batch(0), make_batch(1), make_batch(2), late, early)]
    writer.start_new(START_NS + 50 * FRAME_NS)
    paths.append(writer.append(make_batch(5, first=50)))
    writer.close("")
    assert paths[0] == paths[1]
    assert paths[3] == paths[4]
    assert len(set(paths)) == 4
    found = [read_tracking_file(path) for path in dict.fromkeys(paths) if path is not None]
    starts = [(int(f.attributes["file_start_ns"]) - START_NS) // FRAME_NS for f in found]
    assert starts == [0, 8, 40, 50]
    assert [f.path.stem for f in found] == [tracking_file_stem(START_NS + n * FRAME_NS) for n in starts]
    assert len({f.attributes["recording_id"] for f in found}) == 2
    assert found[0].attributes["close_reason"] == "the interval is over"


def test_names_are_local_times_and_never_taken_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = []
    for _ in range(3):
        writer = _writer(tmp_path)
        paths.append(writer.append(make_batch(0)))
        writer.close("")
    stem = tracking_file_stem(START_NS)
    assert [path.name for path in paths if path] == [f"{stem}.h5", f"{stem} (1).h5", f"{stem} (2).h5"]
    assert re.fullmatch(r"Tracking Data \d{4}-\d\d-\d\d \d\d-\d\d-\d\d\.123456", stem)
    code = f"from opticstream.scope.files.tracking_writer import *; print(tracking_file_stem({START_NS}))"
    for zone, expected in (("UTC0", "2023-11-14 22-13-20.123456"), ("XYZ-5:30", "2023-11-15 03-43-20.123456")):
        monkeypatch.setenv("TZ", zone)
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert said.strip() == f"Tracking Data {expected}"


def test_other_settings_go_into_another_file(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    first = writer.append(make_batch(0))
    writer.change_info(_INFO)
    assert writer.append(make_batch(1)) == first
    writer.change_info(dataclasses.replace(_INFO, settings={"ROI": 64}))
    second = writer.append(make_batch(2))
    writer.close("")
    assert second is not None
    assert second != first
    found = read_tracking_file(second)
    assert found.attributes["settings"] == {"ROI": 64}
    assert found.attributes["recording_id"] == writer.recording_id
    assert found.rois["bead_id"].tolist() == [0, 1, 2]


def _bad_batches() -> dict[str, object]:
    good = make_batch(7)
    return {
        "bead id": dataclasses.replace(good, bead_ids=np.array([0, 1, 65536], np.uint32)),
        "order": make_batch(1),
        "flags": dataclasses.replace(good, flags=np.zeros((4, 2), np.uint16)),
        "timestamps_ns: found shape": dataclasses.replace(good, timestamps_ns=good.timestamps_ns[1:]),
        "rois": dataclasses.replace(good, rois=good.rois + np.uint32(70000)),
    }


@pytest.mark.parametrize("named", _bad_batches())
def test_a_batch_that_does_not_fit_changes_nothing(tmp_path: Path, named: str) -> None:
    file = TrackingFile(tmp_path / "a.h5", _INFO, recording_id="r", recording_start_ns=START_NS, file_start_ns=START_NS)
    file.append(make_batch(1))
    with pytest.raises(BadInput, match=named):
        file.append(_bad_batches()[named])  # type: ignore[arg-type]
    file.append(make_batch(8))
    file.close("")
    file.close("again")
    found = read_tracking_file(tmp_path / "a.h5")
    assert found.batches["sequence"].tolist() == [1, 8]
    assert found.attributes["close_reason"] == ""
    with pytest.raises(WriteFailed, match="closed"):
        file.append(make_batch(9))


def test_tables_take_only_what_was_declared(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    assert not writer.add_telemetry("FocusMotor", np.zeros((1, 3)))
    assert not writer.set_ledger(FrameLedger())
    writer.append(make_batch(0))
    with pytest.raises(BadInput, match="FocusMotor"):
        writer.add_telemetry("Laser", np.zeros((1, 3)))
    with pytest.raises(BadInput, match="shape"):
        writer.add_telemetry("FocusMotor", np.zeros((1, 4)))
    with pytest.raises(BadInput, match="NUL"):
        writer.add_note(0, "a\0b")
    writer.close("")
    for hardware in ({"a/b": ("x",)}, {"a": ("x", "x")}, {"a": ()}, {".": ("x",)}):
        with pytest.raises(BadInput, match="hardware table"):
            RecordingInfo(hardware=hardware)
    with pytest.raises(BadInput, match="settings"):
        RecordingInfo(settings={"a": object()})
    with pytest.raises(BadInput, match="rotation"):
        _writer(tmp_path, rotation_minutes=0)


def test_a_folder_that_takes_no_file_loses_the_batch_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    writer = _writer(tmp_path / "taken")
    with pytest.raises(BatchLost) as caught:
        writer.append(make_batch(0))
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.sequence, again.frames, again.records, again.path) == (0, 4, 12, caught.value.path)
    assert str(again) == str(caught.value)
    assert "4 frames and 12 records" in str(again)


@given(
    text=st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40),
    room=st.integers(4, 9),
)
def test_a_text_is_cut_between_characters(text: str, room: int) -> None:
    parts = cut_text(text, room)
    assert "".join(parts) == text
    assert all(len(part.encode()) <= room for part in parts)
    assert len(parts) <= len(text.encode()) // (room - 3) + 1 <= TEXT_BYTES


def test_the_predecessors_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "old.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("tracking")
        group.attrs["schema_version"] = 1
        for name, values in {
            "frame_timestamps_ns": [5, 6], "frame_offsets": [0, 1, 2], "frame_batch_sequence": [0, 0],
            "batch_sequence": [0], "batch_frame_start": [0], "batch_frame_count": [2], "batch_record_start": [0],
            "batch_record_count": [2],
        }.items():  # fmt: skip
            group[name] = np.array(values, np.uint64)
        group["bead_ids"] = np.array([7, 7], np.uint16)
        group["positions_nm"] = np.arange(6.0).reshape(2, 3)
    found = read_tracking_file(path)
    assert (found.frame_numbers, found.flags, found.roi_positions_px, found.zlut) == (None, None, None, None)
    assert found.bead(7)[1].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (found.notes, found.ledger, found.closed) == ((), (), True)


def test_what_is_no_tracking_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with pytest.raises(BadFile, match=r"x\.h5"):
        read_tracking_file(path)
    path.write_bytes(b"no HDF5" * 100)
    with pytest.raises(BadFile, match=r"x\.h5"):
        read_tracking_file(path)
    with h5py.File(path, "w") as file:
        file["other"] = 1
    with pytest.raises(BadFile, match="frame_timestamps_ns"):
        read_tracking_file(path)
