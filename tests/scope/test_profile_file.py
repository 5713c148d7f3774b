"""Profiles as text, and rows of devices on their way into a file."""

import errno
from pathlib import Path

import numpy as np
import pytest

from opticstream.core.errors import WriteFailed
from opticstream.scope.files.profile_file import ProfileFile
from opticstream.scope.memory import MatrixBuffer
from opticstream.scope.processing.hardware_rows import HardwareRows
from support.memory_children import fresh_name

START_NS = 1_790_000_000_123_456_789


def _profiles(frames: int, bins: int, scale: float = 1.0) -> dict[int, np.ndarray]:
    return {bead: scale * (bead + np.arange(frames * bins).reshape(frames, bins) / 7) for bead in (2, 9)}


def test_profiles_are_lines_of_a_table_that_numpy_reads(tmp_path: Path) -> None:
    file = ProfileFile(tmp_path / "new", START_NS)
    times = START_NS + np.array([-1, 0, 10_000_000])
    file.append(times[:1], _profiles(1, 4))
    assert file.path is None, "frames from before the start are left out, and an empty file is none"
    file.append(times, _profiles(3, 4))
    file.append(times[1:] + 20_000_000, {2: np.full((2, 4), np.nan)})
    assert file.path is not None and file.path.name.startswith("Bead Profiles 20")
    table = np.loadtxt(file.path)
    assert file.path.read_text("ascii").splitlines()[0] == "# time_s bead bin_0 bin_1 bin_2 bin_3"
    assert file.path.read_text("ascii").splitlines()[1].startswith("1790000000.123456789 2 ")
    assert table[:, 1].tolist() == [2, 9, 2, 9, 2, 2]
    assert np.allclose(table[:4, 2:], np.stack([_profiles(3, 4)[bead][frame] for frame in (1, 2) for bead in (2, 9)]))
    assert np.isnan(table[4:, 2:]).all()
    file.close()
    file.close()


def test_profiles_of_another_length_go_into_another_file(tmp_path: Path) -> None:
    file = ProfileFile(tmp_path, START_NS)
    for bins in (4, 6, 4):
        file.append(np.array([START_NS]), _profiles(1, bins))
    file.close()
    assert sorted(np.loadtxt(path).shape[1] for path in tmp_path.iterdir()) == [6, 6, 8]
    assert sorted(path.stem[-4:] for path in tmp_path.iterdir())[:2] == [" (1)", " (2)"]


def test_a_disk_that_refuses_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = ProfileFile(tmp_path, START_NS)
    file.append(np.array([START_NS]), _profiles(1, 4))
    assert file.path is not None
    before = file.path.read_bytes()

    def half(self: object, data: bytes) -> None:
        self._handle.write(data[:10])  # type: ignore[attr-defined]
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as patched:
        patched.setattr("opticstream.scope.files.growing_file.GrowingFile._write", half)
        with pytest.raises(WriteFailed, match="no room"):
            file.append(np.array([START_NS + 1]), _profiles(1, 4))
    assert file.path.read_bytes() == before
    file.append(np.array([START_NS + 2]), _profiles(1, 4))
    assert len(np.loadtxt(file.path)) == 4
    file.close()


def test_rows_of_devices_are_taken_from_the_start_on_and_those_missed_are_counted() -> None:
    with MatrixBuffer(fresh_name(), True, (10, 2)) as motor, MatrixBuffer(fresh_name(), True, (4, 3)) as silent:
        motor.write([[time, 0.0] for time in range(5)])
        rows = HardwareRows({"motor": motor, "silent": silent})
        rows.begin(3 * 10**9)
        (first,) = rows.new()
        assert (first.name, first.rows[:, 0].tolist(), first.missed) == ("motor", [3, 4], 0)
        assert list(rows.new()) == []
        motor.write([[time, 0.0] for time in (5, 6, np.nan)])
        (second,) = rows.new()
        assert second.rows[:, 0].tolist() == [5, 6]
        rows.refused("motor", len(second.rows))
        for time in range(7, 20):  # three more than the buffer holds
            motor.write([time, 0.0])
        (third,) = rows.new()
        assert (third.rows[:, 0].tolist(), third.missed) == (list(range(10, 20)), 3 + 2)
        rows.begin(30 * 10**9)
        assert list(rows.new()) == []
