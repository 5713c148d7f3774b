"""Videos as OME-Zarr are whole after every stack."""

from pathlib import Path

import numpy as np
import pytest
import zarr
from ome_zarr_models.v05 import Image

from opticstream.core.errors import WriteFailed
from opticstream.scope.files import zarr_video
from opticstream.scope.files.video_frames import VideoFormat
from opticstream.scope.files.zarr_video import ZarrVideo


@pytest.mark.parametrize("shape", [(5, 7), (3, 4, 6)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_it_is_whole_after_every_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], dtype: str
) -> None:
    monkeypatch.setattr(zarr_video, "_MOST_FRAMES", 5)
    monkeypatch.setattr(zarr_video, "_ROW_CHUNK", 3)
    folder = tmp_path / "deeper" / "video.ome.zarr"
    video = ZarrVideo(folder, VideoFormat(shape, dtype, 162.5))
    everything = np.random.default_rng(0).integers(0, 250, (13, *shape)).astype(dtype)
    numbers = np.arange(13) + 1000
    start = 0
    for frames in (4, 1, 3, 5):
        part = slice(start, start + frames)
        video.append(everything[part], numbers[part], numbers[part] * 10**9)
        start += frames
        group = zarr.open_group(folder, mode="r")
        assert np.array_equal(group["0"][:], everything[:start])
        assert group["frame_number"][:].tolist() == numbers[:start].tolist()
        assert (group["timestamp_ns"][:] // 10**9).tolist() == numbers[:start].tolist()
        Image.from_zarr(group)
    video.close()
    with pytest.raises(WriteFailed):
        ZarrVideo(folder, VideoFormat(shape))


def test_a_stack_that_failed_leaves_the_video_and_may_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zarr_video, "_MOST_FRAMES", 3)
    folder = tmp_path / "video.ome.zarr"
    video = ZarrVideo(folder, VideoFormat((4, 4)))
    frames = np.arange(7, dtype=np.uint8).repeat(16).reshape(7, 4, 4)
    video.append(frames[:2], [0, 1], [0, 1])
    (folder / "0" / "c" / "1").write_text("no folder")
    with pytest.raises(WriteFailed):
        video.append(frames[2:], range(2, 7), range(2, 7))
    assert np.array_equal(zarr.open_group(folder, mode="r")["0"][:], frames[:2])
    (folder / "0" / "c" / "1").unlink()
    video.append(frames[2:], range(2, 7), range(2, 7))
    video.close()
    assert np.array_equal(zarr.open_group(folder, mode="r")["0"][:], frames)
