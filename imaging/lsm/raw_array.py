"""What of the raw frames is no image, kept in small arrays beside it: nothing is lost when raw data are deleted."""

from concurrent.futures import Executor, Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.core.lsm_config import ZarrOptions
from opticstream.imaging.lsm.spool import SpoolStrip
from opticstream.imaging.omezarr.codec import ChunkCodec
from opticstream.imaging.omezarr.metadata import array_files
from opticstream.imaging.omezarr.pyramid_writer import CpuClock, array_writer
from opticstream.imaging.omezarr.tree import TreeWriter

CAMERA_METADATA, STRIDE_PADDING, BACKGROUND = "camera_metadata", "stride_padding", "background_frames"

_DESCRIPTIONS = {
    CAMERA_METADATA: "rows below the image, into which the camera writes its metadata: (frame, row, pixel of a row)",
    STRIDE_PADDING: "pixels right of the image that fill each row up: (frame, row of the image, pixel)",
    BACKGROUND: "frames after the image, whole as stored: (frame, row, pixel of a row)",
}


def raw_shapes(strip: SpoolStrip) -> dict[str, tuple[int, int, int]]:
    """Return the shape of each such array that a strip has: (frames, rows, pixels)."""
    stored = strip.format
    shapes = {CAMERA_METADATA: (strip.frames, stored.padded_rows - stored.rows, stored.stride_pixels)}
    if stored.stride_pixels > stored.columns:
        shapes[STRIDE_PADDING] = (strip.frames, stored.rows, stored.stride_pixels - stored.columns)
    if strip.background_frames:
        shapes[BACKGROUND] = (strip.background_frames, stored.padded_rows, stored.stride_pixels)
    return shapes


def raw_part(name: str, frames: NDArray[Any], strip: SpoolStrip) -> NDArray[Any]:
    """Return what belongs to an array, of whole frames: (frames, padded rows, stride pixels)."""
    if name == CAMERA_METADATA:
        return frames[:, strip.rows :]
    return frames[:, : strip.rows, strip.columns :] if name == STRIDE_PADDING else frames


class RawArrayWriter:
    """Writes one of these arrays along its frames.

    Args:
        tree: where the files go.
        name: of the array.
        strip: the strip.
        width: frames of a slab.
        options: format and compressor.
        pool: threads that compress.
        clock: counts their CPU time.
    """

    def __init__(
        self,
        tree: TreeWriter,
        name: str,
        strip: SpoolStrip,
        width: int,
        options: ZarrOptions,
        pool: Executor,
        clock: CpuClock,
    ) -> None:
        self._name, self._strip, self._pool, self._clock = name, strip, pool, clock
        shape = raw_shapes(strip)[name]
        width = min(width, shape[0])
        self._chunk = (width, *shape[1:])
        shard = (width * max(1, options.chunk // width), *shape[1:])
        self._dtype = np.dtype(strip.dtype)
        self._codec = ChunkCodec(options, int(np.prod(self._chunk)) * self._dtype.itemsize)
        self._writer = array_writer(tree, name, self._chunk, shard, options, axis=0)
        files = array_files(
            options.ome_version, shape, self._chunk, shard, strip.dtype, options, self._codec.blocksize,
            axes=("frame", "row", "pixel"), attributes={"description": _DESCRIPTIONS[name]},
        )  # fmt: skip
        for file, data in files:
            tree.write(f"{name}/{file}", data)

    def encode(self, frames: NDArray[Any]) -> Future[bytes]:
        """Compress what belongs here of a slab's frames; they are in use until the future ends."""
        future: Future[bytes] = self._pool.submit(self._clock.timed, self._encode, frames)
        return future

    def _encode(self, frames: NDArray[Any]) -> bytes:
        chunk = np.zeros(self._chunk, self._dtype)
        chunk[: len(frames)] = raw_part(self._name, frames, self._strip)
        return self._codec.encode(chunk)

    def write(self, slab: int, data: bytes) -> None:
        """Write the chunk of a slab."""
        self._writer.write(slab, (0, 0), data)

    def close(self) -> None:
        """Complete the last file."""
        self._writer.close()

    def abandon(self) -> None:
        """Close the file in the making."""
        self._writer.abandon()
