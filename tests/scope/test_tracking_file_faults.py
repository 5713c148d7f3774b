"""Tracking files when the disk is full, and after a kill."""

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from opticstream.core.errors import BadFile, BadInput
from opticstream.scope.files.recording import Recording, read_tracking_file
from opticstream.scope.files.recording_info import RecordingInfo
from opticstream.scope.files.repair import repair_tracking_file
from opticstream.scope.files.tracking_file import TrackingFile
from support.small_disk import run_on_small_disks
from support.track_batches import START_NS, make_batch

_FRAMES, _BEADS = 40, 50
TESTS = Path(__file__).parents[1]


def _consistent(found: Recording) -> int:
    """Make sure that every row is where it belongs; return the number of batches."""
    number = len(found.batches["sequence"])
    assert found.frame_numbers is not None
    assert np.array_equal(found.frame_numbers, np.concatenate([[0], 1 + np.arange(number * _FRAMES)])[1:] - 1)
    assert np.array_equal(found.frame_offsets, np.arange(number * _FRAMES + 1) * _BEADS)
    frames = np.repeat(found.frame_numbers, _BEADS)
    good = found.flags == 0
    assert np.array_equal(found.positions_nm[good, 0], frames[good])
    assert np.array_equal(found.positions_nm[good, 1], found.bead_ids[good])
    assert np.array_equal(found.positions_nm[good, 2], (frames // _FRAMES)[good])
    assert np.isnan(found.positions_nm[~good]).all()
    return number


_FILL = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(TESTS)!r})
from opticstream.scope.files.batch_lost import BatchLost
from opticstream.scope.files.recording_info import RecordingInfo
from opticstream.scope.files.tracking_writer import TrackingFileWriter
from support.track_batches import START_NS, make_batch
folder = Path(sys.argv[1])
if len(sys.argv) > 2:
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9_000_000, 9_000_000))
writer = TrackingFileWriter(folder, RecordingInfo(), start_ns=START_NS, rotation_minutes=None)
lost = []
for sequence in range(5000):
    try:
        last = writer.append(make_batch(sequence, frames={_FRAMES}, beads={_BEADS}))
    except BatchLost as error:
        print("LOST", error.sequence, error.frames, error.records, error)
        assert (error.sequence, error.frames, error.records) == (sequence, {_FRAMES}, {_FRAMES * _BEADS})
        lost.append(error)
        if len(lost) == 2:
            break
        (folder / "ballast").unlink(missing_ok=True)  # somebody makes room
        assert error.path == last
print("STORED", sequence - len(lost) + 1)
writer.close("full")
if len(sys.argv) == 2:
    import shutil
    for path in folder.glob("*.h5"):
        shutil.copy(path, folder.parent / "out" / path.name)
"""


def _stored(said: str, folder: Path) -> list[Recording]:
    assert said.count("LOST") == 2
    found = [read_tracking_file(path) for path in sorted(folder.glob("*.h5"), key=lambda p: (len(p.name), p.name))]
    stored = int(said.rpartition("STORED")[2].split()[0])
    assert sum(len(f.batches["sequence"]) for f in found) == stored > 10
    return found


def test_a_full_disk_costs_one_batch_and_the_next_goes_into_a_new_file(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    fill = "import os, sys; f = open(sys.argv[1] + '/ballast', 'wb'); os.posix_fallocate(f.fileno(), 0, 8 << 20); f.close()\n"
    said = run_on_small_disks(
        {tmp_path / "disk": 20 << 20}, [sys.executable, "-c", fill + _FILL, str(tmp_path / "disk")]
    )
    first, second = _stored(said, tmp_path / "out")
    assert "No space left" in said
    assert _consistent(first) == len(first.batches["sequence"])
    # After the lost batch the sequence goes on in the second file.
    assert second.batches["sequence"][0] == first.batches["sequence"][-1] + 2
    assert first.closed
    assert first.attributes["close_reason"] == "a batch could not be written"
    for found in (first, second):
        assert repair_tracking_file(found.path).healthy


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_file_that_cannot_even_be_closed_keeps_its_batches(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _FILL, str(tmp_path), "limited"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = _stored(done.stdout, tmp_path)
    assert "too large" in done.stdout
    _consistent(found[0])
    for recording in found:
        before = recording.batches["sequence"]
        report = repair_tracking_file(recording.path)
        again = read_tracking_file(recording.path)
        assert np.array_equal(again.batches["sequence"], before)
        assert report.batches == len(before)
        assert repair_tracking_file(recording.path).healthy


_APPEND = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(TESTS)!r})
from opticstream.scope.files.recording_info import RecordingInfo
from opticstream.scope.files.tracking_file import TrackingFile
from support.track_batches import START_NS, make_batch
for name in sys.stdin:
    path = Path(name.strip())
    file = TrackingFile(path, RecordingInfo(hardware={{"Motor": ("t", "z")}}), recording_id="r",
                        recording_start_ns=START_NS, file_start_ns=START_NS)
    for sequence in range(100000):
        file.append(make_batch(sequence, frames={_FRAMES}, beads={_BEADS}))
        file.add_telemetry("Motor", [[sequence, 0.0]])
        print(sequence, flush=True)
"""


def _killed(path: Path, batches: int, delay_s: float) -> int:
    """Kill a writer at some moment after a number of batches; return how many it had told of."""
    writer = subprocess.Popen([sys.executable, "-c", _APPEND], stdin=-1, stdout=-1, text=True)
    with writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdin.write(f"{path}\n")
        writer.stdin.flush()
        for _ in range(batches):
            assert writer.stdout.readline()
        if not delay_s:
            with pytest.raises(BadInput, match="still runs"):
                repair_tracking_file(path)
        signal.sigtimedwait([], delay_s) if hasattr(signal, "sigtimedwait") else None
        writer.kill()
        told = batches + len(writer.stdout.readlines())
        writer.stdin.close()
    return told


def test_a_killed_writer_leaves_every_batch_it_told_of(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for turn in range(6):
        path = tmp_path / f"{turn}.h5"
        told = _killed(path, 1 + turn * 7, 0.0 if turn == 0 else chance.uniform(0.0001, 0.05))
        found = read_tracking_file(path)
        assert _consistent(found) >= told
        assert not found.closed
        with pytest.raises(OSError, match="already open"):
            h5py.File(path, "r")  # what others see before the repair
        report = repair_tracking_file(path, keep_damaged=turn % 2 == 0)
        assert not report.healthy
        assert "cleared" in report.what[0]
        assert (tmp_path / f"{turn}.h5.damaged").exists() == (turn % 2 == 0)
        with h5py.File(path, "r") as file:
            assert file["tracking/positions_nm"].shape == (report.records, 3)
            assert len(file["hardware/Motor"]) >= told - 1
            assert "cleared" in file.attrs["repaired"]
        again = read_tracking_file(path)
        assert _consistent(again) == report.batches >= told
        assert again.attributes["max_frame_timestamp_ns"] == again.frame_timestamps_ns[-1]
        before = path.read_bytes()
        assert repair_tracking_file(path).healthy
        assert path.read_bytes() == before
    assert not list(tmp_path.glob(".*"))


def _closed_file(path: Path, batches: int = 4) -> Path:
    file = TrackingFile(path, RecordingInfo(), recording_id="r", recording_start_ns=START_NS, file_start_ns=START_NS)
    for sequence in range(batches):
        file.append(make_batch(sequence, frames=_FRAMES, beads=_BEADS))
    file.close("done")
    return path


def test_rows_of_no_whole_batch_are_dropped(tmp_path: Path) -> None:
    path = _closed_file(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        table = file["tracking/flags"]
        table.resize(len(table) - 3, axis=0)
        file["tracking/frame_numbers"].resize(4 * _FRAMES + 9, axis=0)
    assert _consistent(read_tracking_file(path)) == 3
    report = repair_tracking_file(path)
    assert (report.batches, report.frames, report.records) == (3, 3 * _FRAMES, 3 * _FRAMES * _BEADS)
    assert "dropped" in report.what[0]
    with h5py.File(path, "r") as file:
        assert len(file["tracking/frame_offsets"]) == 3 * _FRAMES + 1
        assert file["tracking/batch_sequence"][:].tolist() == [0, 1, 2]
        assert file.attrs["close_reason"] == b"done"
    assert repair_tracking_file(path).healthy


def test_batches_whose_checksum_is_wrong_are_dropped(tmp_path: Path) -> None:
    path = _closed_file(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file["tracking/positions_nm"][2 * _FRAMES * _BEADS + 5, 1] = 1e9
    assert repair_tracking_file(path, keep_damaged=True).batches == 2
    assert _consistent(read_tracking_file(path)) == 2
    assert len(read_tracking_file(path.with_name("a.h5.damaged")).batches["sequence"]) == 4


def test_a_repair_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    path = _closed_file(tmp_path / "a.h5")
    path.rename(tmp_path / "a.h5.damaged")
    assert repair_tracking_file(path).healthy
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_without_room_for_a_copy_the_file_stays(tmp_path: Path) -> None:
    path = _closed_file(tmp_path / "a.h5", 8)
    with h5py.File(path, "r+") as file:
        file["tracking/frame_numbers"].resize(8 * _FRAMES + 9, axis=0)
    code = f"""
import os, shutil, sys
from pathlib import Path
from opticstream.core.errors import WriteFailed
from opticstream.scope.files.repair import repair_tracking_file
path = Path(sys.argv[1]) / "a.h5"
shutil.copy({str(path)!r}, path)
before = path.read_bytes()
try:
    repair_tracking_file(path)
except WriteFailed as error:
    print("REFUSED", error)
assert path.read_bytes() == before
assert os.listdir(path.parent) == ["a.h5"], os.listdir(path.parent)
"""
    disk = tmp_path / "disk"
    size = path.stat().st_size + (1 << 20)
    assert "REFUSED" in run_on_small_disks({disk: size}, [sys.executable, "-c", code, str(disk)])


def test_what_is_damaged_beyond_the_tables_is_refused(tmp_path: Path) -> None:
    path = _closed_file(tmp_path / "a.h5")
    whole = path.read_bytes()
    for size in (0, 100, 2000, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(BadFile, match=r"a\.h5"):
            repair_tracking_file(path)
        assert path.stat().st_size == size
    path.write_bytes(whole)
    shutil.copy(path, tmp_path / "b.h5")
    assert repair_tracking_file(tmp_path / "b.h5").healthy
