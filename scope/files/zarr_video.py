"""A video as OME-Zarr."""

import json
import struct
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import ArrayLike, NDArray

from opticstream.core.errors import WriteFailed
from opticstream.core.files import rename, write_failed, write_text
from opticstream.scope.files.growing_file import GrowingFile
from opticstream.scope.files.video_frames import VideoFormat

_SHARD_BYTES = 1 << 30
_MOST_FRAMES = 4096
"""Frames of a shard, at most, so that its index stays small."""
_ROW_CHUNK = 4096


class ZarrVideo:
    """Appends frames to an OME-Zarr 0.5 with axes t, y, x or t, c, y, x, readable at any time.

    A chunk is one frame, uncompressed; many are in one file (shard, up to 1 GiB) whose index stands at its start and
    is known beforehand, since all chunks are equally long. So files are only appended to, and the array's length,
    written last, says how much is there: a kill leaves all stacks before. Beside the image ``0`` stand
    ``frame_number`` (u64) and ``timestamp_ns`` (i64, ns since 1970 UTC), (T,). Sources: Zarr v3 core, codecs ``bytes``
    and ``sharding_indexed``; OME-NGFF 0.5.

    Args:
        folder: a new folder.
        form: shape and scale.

    Raises:
        WriteFailed: it exists already or cannot be written.
    """

    def __init__(self, folder: Path, form: VideoFormat) -> None:
        self._folder, self._form, self._frames = folder, form, 0
        self._per_shard = max(1, min(_MOST_FRAMES, _SHARD_BYTES // form.frame_bytes))
        self._shard: GrowingFile | None = None
        self._rows: dict[str, NDArray[Any]] = {
            "frame_number": np.zeros(_ROW_CHUNK, "<u8"),
            "timestamp_ns": np.zeros(_ROW_CHUNK, "<i8"),
        }
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
            self._put_lengths()
            write_text(folder / "zarr.json", json.dumps(self._group(), indent=2))
        except OSError as error:
            raise write_failed(folder, error) from error

    def append(self, frames: ArrayLike, numbers: ArrayLike, timestamps_ns: ArrayLike) -> None:
        """Add a stack, (F, Y, X) or (F, C, Y, X), with the camera's numbers and times, (F,).

        Raises:
            BadInput: shapes or type differ from the video's.
            WriteFailed: the disk refuses; readers see the video as it was, and the stack may be tried again.
        """
        pixels, *rows = self._form.take(frames, numbers, timestamps_ns)
        start, before = self._frames, {name: kept.copy() for name, kept in self._rows.items()}
        try:
            for index, pixel in enumerate(pixels):
                self._put_frame(start + index, pixel)
            self._put_rows(start, dict(zip(self._rows, rows, strict=True)))
            self._frames = start + len(pixels)
            self._put_lengths()
        except (OSError, WriteFailed) as error:
            self._frames, self._rows = start, before
            raise error if isinstance(error, WriteFailed) else write_failed(self._folder, error) from error

    def close(self) -> None:
        """Make what is open durable and close it. Raises WriteFailed."""
        shard, self._shard = self._shard, None
        if shard is not None:
            shard.close()

    def _put_frame(self, number: int, pixels: NDArray[Any]) -> None:
        shard, within = divmod(number, self._per_shard)
        path = self._folder.joinpath("0", "c", str(shard), *["0"] * len(self._form.shape))
        place = self._index_bytes + within * self._form.frame_bytes
        if self._shard is None or self._shard.path != path:
            self.close()
            if within:  # a stack failed that reached into the next shard
                self._shard = GrowingFile(path, place)
            else:
                path.unlink(missing_ok=True)
                shard_file = GrowingFile(path)
                shard_file.append(self._index())
                self._shard = shard_file
        if self._shard.size > place:
            self._shard.cut(place)  # frames of a stack that failed
        self._shard.append(pixels.data)

    @property
    def _index_bytes(self) -> int:
        return 16 * self._per_shard + 4

    def _index(self) -> bytes:
        size = self._form.frame_bytes
        offsets = self._index_bytes + size * np.arange(self._per_shard, dtype="<u8")
        index = np.stack([offsets, np.full_like(offsets, size)], axis=1).tobytes()
        return index + struct.pack("<I", google_crc32c.value(index))

    def _put_rows(self, start: int, new: dict[str, NDArray[Any]]) -> None:
        for name, values in new.items():
            at = start
            while len(values):
                chunk, within = divmod(at, _ROW_CHUNK)
                some = min(len(values), _ROW_CHUNK - within)
                self._rows[name][within : within + some] = values[:some]
                self._replace(self._folder / name / "c" / str(chunk), self._rows[name].tobytes())
                at, values = at + some, values[some:]

    def _put_lengths(self) -> None:
        """Write how long the arrays are, the image last: with it the new frames are there."""
        for name, kept in self._rows.items():
            about = _array([self._frames], [_ROW_CHUNK], kept.dtype.name, ["t"], [_LITTLE])
            self._replace(self._folder / name / "zarr.json", json.dumps(about).encode())
        frame = list(self._form.shape)
        sharding = {
            "chunk_shape": [1, *frame],
            "codecs": [_LITTLE],
            "index_codecs": [_LITTLE, {"name": "crc32c"}],
            "index_location": "start",
        }
        codecs = [{"name": "sharding_indexed", "configuration": sharding}]
        about = _array([self._frames, *frame], [self._per_shard, *frame], self._form.dtype, self._axes, codecs)
        self._replace(self._folder / "0" / "zarr.json", json.dumps(about).encode())

    @property
    def _axes(self) -> list[str]:
        return ["t", *"cyx"[-len(self._form.shape) :]]

    def _group(self) -> dict[str, Any]:
        kinds: dict[str, dict[str, str]] = {
            "t": {"type": "time"}, "c": {"type": "channel"},
            "y": {"type": "space", "unit": "nanometer"}, "x": {"type": "space", "unit": "nanometer"},
        }  # fmt: skip
        scale = [1.0] * (len(self._axes) - 2) + [self._form.nm_per_px] * 2
        multiscales = {
            "name": self._folder.stem,
            "axes": [{"name": axis} | kinds[axis] for axis in self._axes],
            "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}],
        }
        ome = {"version": "0.5", "multiscales": [multiscales]}
        return {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}

    def _replace(self, path: Path, data: bytes) -> None:
        """Write a small file, whole or not at all, without waiting for the disk: it is written with every stack."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.partial")
        temporary.write_bytes(data)
        rename(temporary, path)


_LITTLE: dict[str, Any] = {"name": "bytes", "configuration": {"endian": "little"}}


def _array(shape: list[int], chunk: list[int], dtype: str, axes: list[str], codecs: list[Any]) -> dict[str, Any]:
    """Return the metadata of an array of Zarr v3."""
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": codecs,
        "attributes": {},
        "dimension_names": axes,
    }
