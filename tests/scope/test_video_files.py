"""Videos and telemetry: read back by others, after a kill, and on a full disk."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from opticstream.core.errors import BadFile, BadInput, WriteFailed
from opticstream.scope.files.telemetry_file import TelemetryFile
from opticstream.scope.files.tiff_video import TiffVideo
from opticstream.scope.files.video_frames import VideoFormat


def _stack(frames: int, shape: tuple[int, ...], dtype: str, start: int) -> np.ndarray:
    pixels = np.arange(int(np.prod(shape))).reshape(shape)
    return ((pixels + 7 * np.arange(start, start + frames).reshape(-1, *[1] * len(shape))) % 251).astype(dtype)


@pytest.mark.parametrize(("shape", "axes"), [((5, 7), "TYX"), ((3, 4, 6), "TCYX")])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_tiff_is_whole_after_every_stack(tmp_path: Path, shape: tuple[int, ...], axes: str, dtype: str) -> None:
    path = tmp_path / "deeper" / "video & <x>.tif"
    video = TiffVideo(path, VideoFormat(shape, dtype, 162.5))
    start = 0
    for frames in (4, 1, 3):
        numbers = np.arange(start, start + frames) + 1000
        video.append(_stack(frames, shape, dtype, start), numbers, numbers * 10**9)
        start += frames
        copy = shutil.copy(path, tmp_path / "copy.tif")  # as it would be after a kill now
        with tifffile.TiffFile(copy) as tiff:
            assert tiff.is_ome
            (series,) = tiff.series
            assert series.axes == axes
            assert np.array_equal(series.asarray(), _stack(start, shape, dtype, 0))
            assert tiff.ome_metadata is not None
            assert 'PhysicalSizeX="162.5"' in tiff.ome_metadata
            channels = shape[0] if len(shape) == 3 else 1
            assert [page.aspage().tags[65000].value for page in tiff.pages][::channels] == list(
                range(1000, 1000 + start)
            )
            assert tiff.pages[-1].aspage().tags[65001].value == (999 + start) * 10**9
            top, bottom = tiff.pages[-1].aspage().tags["XResolution"].value
            assert top / bottom == pytest.approx(1e7 / 162.5)
    video.close()
    with pytest.raises(WriteFailed):
        TiffVideo(path, VideoFormat(shape))


_KILLED = """
import sys
import numpy as np
from pathlib import Path
from opticstream.scope.files.tiff_video import TiffVideo
from opticstream.scope.files.video_frames import VideoFormat
video = TiffVideo(Path(sys.argv[1]), VideoFormat((64, 64)))
for n in range(100000):
    numbers = np.arange(4 * n, 4 * n + 4)
    video.append(np.broadcast_to((numbers % 251).astype("uint8")[:, None, None], (4, 64, 64)), numbers, numbers)
    print(n, flush=True)
"""


def test_a_tiff_of_a_killed_writer_has_every_stack_it_told_of(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for stacks in (1, 20, 90):
        path.unlink(missing_ok=True)
        with subprocess.Popen([sys.executable, "-c", _KILLED, str(path)], stdout=-1, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(stacks):
                assert writer.stdout.readline()
            writer.kill()
            told = stacks + len(writer.stdout.readlines())
        with tifffile.TiffFile(path) as tiff:
            assert len(tiff.pages) >= 4 * told
            assert all((page.asarray() == page.tags[65000].value % 251).all() for page in tiff.pages)


def test_frames_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    video = TiffVideo(tmp_path / "a.tif", VideoFormat((4, 4)))
    for frames, numbers in (
        (np.zeros((2, 4, 5), "uint8"), [1, 2]),
        (np.zeros((2, 4, 4), "uint16"), [1, 2]),
        (np.zeros((2, 4, 4), "uint8"), [1]),
    ):
        with pytest.raises(BadInput, match="video: frames"):
            video.append(frames, numbers, numbers)
    video.close()
    for options in ({"shape": (4,)}, {"shape": (0, 4)}, {"shape": (4, 4), "dtype": "float32"}):
        with pytest.raises(BadInput, match="video"):
            VideoFormat(**options)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="nm_per_px"):
        VideoFormat((4, 4), nm_per_px=0)


def test_telemetry_that_a_killed_process_had_saved_is_not_saved_again(tmp_path: Path) -> None:
    file = TelemetryFile(tmp_path, "FocusMotor", 2)
    rows = np.array([[1.1, 0.3], [2.2, np.nan], [3.3, 0.1], [3.3, 0.1], [4.4, 0.2]])
    assert len(file.missing(rows)) == 5
    file.append(rows[:4])
    with file.path.open("ab") as handle:
        handle.write(b"4.4 0.")  # the kill
    assert file.missing(rows).tolist() == [[4.4, 0.2]]
    assert len(file.missing(rows[:4])) == 0
    assert file.missing(rows[4:] + 1).tolist() == [[5.4, 1.2]]
    file.path.write_text("# timestamp value_1\n", "utf-8")
    assert len(file.missing(rows)) == 5
    file.path.unlink()
    file.path.mkdir()
    with pytest.raises(BadFile, match="FocusMotor"):
        file.missing(rows)


def test_telemetry_is_appended_to_what_is_there(tmp_path: Path) -> None:
    rows = np.array([[1700000000.1234567, 0.1], [np.nan, 1], [2, np.inf], [3, 1e-300]])
    assert TelemetryFile(tmp_path, "FocusMotor", 2).append(rows) == 2
    path = tmp_path / "FocusMotor.txt"
    assert path.read_text().splitlines()[0] == "# timestamp value_1"
    assert np.array_equal(np.loadtxt(path), rows[[0, 3]])
    path.write_text(path.read_text() + "12.5 ")  # what a kill left
    again = TelemetryFile(tmp_path, "FocusMotor", 2)
    assert again.append(rows[1:2]) == 0
    again.append([[4, 5]])
    assert np.array_equal(np.loadtxt(path), [*rows[[0, 3]], [4, 5]])
    with pytest.raises(BadInput, match="shape"):
        again.append([[1, 2, 3]])
    with pytest.raises(BadInput, match="columns"):
        TelemetryFile(tmp_path, "x", 0)
    (tmp_path / "taken").write_text("")
    with pytest.raises(WriteFailed):
        TelemetryFile(tmp_path / "taken", "x", 1).append([[1]])
