"""A recording is played as it is, at its pace, and a damaged one is refused."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray

from opticstream.core.errors import BadFile
from opticstream.scope.camera import ReplayCamera
from support.memory_sink import HandClock, MemorySink

FRAMES, HEIGHT, WIDTH = 10, 12, 20
AXES = [{"name": "t", "type": "time", "unit": "millisecond"}, *({"name": name} for name in "czyx")]
LEVEL = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [20.0, 1, 1, 1, 1]}]}


@pytest.fixture(params=[np.uint8, np.uint16])
def recorded(request: pytest.FixtureRequest) -> NDArray[Any]:
    return np.random.default_rng(1).integers(0, 255, (FRAMES, HEIGHT, WIDTH)).astype(request.param)


def _imagej(path: Path, frames: NDArray[Any]) -> Path:
    tifffile.imwrite(path / "a.tif", frames, imagej=True, metadata={"axes": "TYX", "finterval": 0.02})
    return path / "a.tif"


def _plain(path: Path, frames: NDArray[Any]) -> Path:
    tifffile.imwrite(path / "a.tif", frames, photometric="minisblack", byteorder=">")
    return path / "a.tif"


def _packed(path: Path, frames: NDArray[Any]) -> Path:
    tifffile.imwrite(path / "a.tif", frames, photometric="minisblack", compression="zlib", metadata={"axes": "TYX"})
    return path / "a.tif"


def _array(path: Path, frames: NDArray[Any]) -> Path:
    zarr.create_array(path / "a.zarr", data=frames, chunks=(4, 12, 10))
    return path / "a.zarr"


def _old_array(path: Path, frames: NDArray[Any]) -> Path:
    zarr.create_array(path / "a.zarr", data=frames, chunks=(1, 12, 20), zarr_format=2)
    return path / "a.zarr"


def _ome(path: Path, frames: NDArray[Any]) -> Path:
    group = zarr.open_group(path / "a.ome.zarr", mode="w")
    group.create_array("0", data=frames[:, None, None], chunks=(3, 1, 1, 12, 20), shards=(6, 1, 1, 12, 20))
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": AXES, "datasets": [LEVEL]}]}
    return path / "a.ome.zarr"


WRITERS = [_imagej, _plain, _packed, _array, _old_array, _ome]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("preload_bytes", [0, 2**20])
def test_frames_are_those_of_the_file(
    tmp_path: Path, recorded: NDArray[Any], write: Callable[..., Path], preload_bytes: int
) -> None:
    clock = HandClock()
    camera = ReplayCamera(write(tmp_path, recorded), 100.0, preload_bytes=preload_bytes, clock=clock)
    assert (camera.height, camera.width, camera.dtype, camera.number_of_frames) == (12, 20, recorded.dtype, FRAMES)
    assert camera.bits == 8 * recorded.dtype.itemsize
    camera = pickle.loads(pickle.dumps(camera))
    clock = camera._given_clock  # type: ignore[assignment]  # the journey copied it
    sink = MemorySink(HEIGHT, WIDTH, recorded.dtype)
    camera.connect(sink)
    for _ in range(25):
        camera.fetch()
        clock.now += 0.01
    camera.disconnect()
    assert sink.numbers == list(range(25))
    assert np.array_equal(sink.frames, recorded[np.arange(25) % FRAMES])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    frames = np.arange(FRAMES, dtype=np.uint8)[:, None, None] + np.zeros((HEIGHT, WIDTH), np.uint8)
    return _imagej(tmp_path, frames)


def test_a_late_fetch_delivers_what_is_due_and_times_say_when_it_was(file: Path) -> None:
    clock, sink = HandClock(), MemorySink(HEIGHT, WIDTH)
    camera = ReplayCamera(file, 40.0, clock=clock)
    camera.connect(sink)
    camera.fetch()
    camera.fetch()
    assert sink.numbers == [0]
    clock.now += 0.99
    camera.fetch()
    assert sink.times == pytest.approx(1000.0 + np.arange(40) / 40)
    assert sink.frames[:, 0, 0].tolist() == [k % FRAMES for k in range(40)]
    clock.now += 100.0
    camera.fetch()
    assert len(sink.times) == 40 + 64
    assert camera.fetch_wait_s() == 0.0
    while camera.fetch_wait_s() == 0.0:
        camera.fetch()
    assert (len(sink.times) + len(sink.dropped)) == 40 + 4000
    assert len(sink.dropped) == camera.health.queue_full_events.value == 3040
    camera.disconnect()


def test_a_full_buffer_drops_frames_of_known_numbers(file: Path) -> None:
    clock, sink = HandClock(), MemorySink(HEIGHT, WIDTH, room=3)
    camera = ReplayCamera(file, 10.0, clock=clock, preload_bytes=0)
    camera.first_number = 100
    camera.connect(sink)
    camera.fetch()
    clock.now += 0.55
    camera.fetch()
    assert (sink.numbers, sink.dropped) == ([100, 101, 102], [103, 104, 105])
    sink.clear()
    clock.now += 0.1
    camera.fetch()
    assert (sink.numbers, int(sink.frames[0, 0, 0])) == ([106], 6)
    camera.disconnect()


def test_the_end_is_visible_where_it_does_not_start_again(file: Path) -> None:
    clock, sink = HandClock(), MemorySink(HEIGHT, WIDTH)
    camera = ReplayCamera(file, loop=False, clock=clock)
    assert camera["framerate"] == "50"  # the file's
    camera.connect(sink)
    camera.fetch()
    assert not camera.finished
    clock.now += 5.0
    camera.fetch()
    camera.fetch()
    assert camera.finished
    assert sink.numbers == list(range(FRAMES))
    assert camera.fetch_wait_s() == 1.0
    camera.connect(sink)
    assert not camera.finished
    camera.disconnect()


def test_an_ome_zarr_image_says_its_rate_and_needs_not(tmp_path: Path) -> None:
    path = _ome(tmp_path, np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8))
    assert ReplayCamera(path)["framerate"] == "50"
    for spoiled in ({}, {"axes": 3}, {"axes": [{"type": "time", "unit": "hour"}]}):
        image = {"axes": AXES, **spoiled, "datasets": [{"path": "0"}]}
        zarr.open_group(path, mode="r+").attrs["ome"] = {"version": "0.5", "multiscales": [image]}
        assert ReplayCamera(path)["framerate"] == "30"


def test_rates_outside_the_range_are_refused(file: Path) -> None:
    for rate in (0, 10001, float("nan")):
        with pytest.raises(ValueError, match="framerate"):
            ReplayCamera(file, rate)


def _refused(path: Path) -> str:
    with pytest.raises(BadFile) as caught:
        ReplayCamera(path)
    assert path.name in str(caught.value)
    return str(caught.value)


def test_what_is_no_recording_is_refused_by_name(tmp_path: Path) -> None:
    assert "No such file" in _refused(tmp_path / "absent.tif")
    (tmp_path / "text.tif").write_text("no image")
    assert "damaged or unknown" in _refused(tmp_path / "text.tif")
    tifffile.imwrite(tmp_path / "colour.tif", np.zeros((5, 8, 8, 3), np.uint8), photometric="rgb")
    assert "uint8 or uint16" in _refused(tmp_path / "colour.tif")
    tifffile.imwrite(tmp_path / "float.tif", np.zeros((5, 8, 8), np.float32))
    assert "float32" in _refused(tmp_path / "float.tif")
    tifffile.imwrite(tmp_path / "rois.tif", np.zeros((5, 3, 8, 8), np.uint8), imagej=True, metadata={"axes": "TCYX"})
    assert "(5, 3, 8, 8)" in _refused(tmp_path / "rois.tif")
    (tmp_path / "empty").mkdir()
    _refused(tmp_path / "empty")
    zarr.open_group(tmp_path / "group.zarr", mode="w")
    assert "group without an image" in _refused(tmp_path / "group.zarr")


@pytest.mark.parametrize(
    ("write", "part"),
    [
        *((write, part) for write in (_imagej, _plain, _packed) for part in (0.3, 0.5)),
        *((write, 0.9) for write in (_plain, _packed)),  # of ImageJ's only directories are lost that it does not need
    ],
)
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, write: Callable[..., Path], part: float) -> None:
    frames = np.random.default_rng(1).integers(0, 255, (FRAMES, HEIGHT, WIDTH)).astype(np.uint8)
    path = write(tmp_path, frames)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    _refused(path)


def test_a_recording_that_changed_before_the_start_is_refused(file: Path) -> None:
    camera = ReplayCamera(file)
    tifffile.imwrite(file, np.zeros((3, 8, 8), np.uint8), photometric="minisblack")
    with pytest.raises(BadFile, match="another recording"):
        camera.connect(MemorySink(HEIGHT, WIDTH))


def test_a_file_that_is_cut_while_it_plays_says_so(file: Path) -> None:
    clock = HandClock()
    camera = ReplayCamera(file, 10.0, preload_bytes=0, clock=clock)
    camera.connect(MemorySink(HEIGHT, WIDTH))
    with file.open("r+b") as handle:
        handle.truncate(500)
    clock.now += 0.5
    with pytest.raises(BadFile, match="its end within frame"):
        for _ in range(FRAMES):
            camera.fetch()
            clock.now += 0.1
    camera.disconnect()
