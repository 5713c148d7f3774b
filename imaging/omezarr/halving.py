"""Chunks filled and halved, by compiled kernels where they can be."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.imaging.kernel_cache import numba_usable
from opticstream.imaging.omezarr.chunk_place import ChunkPlace, HalfTarget, Pixels
from opticstream.imaging.omezarr.plain_halving import gather_chunk_plainly, halve_chunk_plainly

_WORDS: dict[str, tuple[Any, Any, Any]] = {
    "uint16": (np.uint32, np.uint32(0xFFFF), np.uint32(16)),
    "uint8": (np.uint16, np.uint16(0xFF), np.uint16(8)),
}


def gather_chunk(
    raw: NDArray[Any], frame_pixels: int, stride_pixels: int, place: ChunkPlace, chunk: Pixels, half: HalfTarget
) -> Pixels:
    """Fill a chunk from frames in the order of the camera.

    Args:
        raw: flat; frame after frame, row after row.
        frame_pixels: pixels from a frame to the next.
        stride_pixels: pixels from a row to the next.
        place: the chunk; rows, columns and frames are counted from the first pixel of ``raw``.
        chunk: receives (z, y, x) = (rows, columns, frames), flat.
        half: receives the mean of 2 x 2 x 2 voxels, halves rounded to even.

    Returns:
        Maximum over the rows, (columns, frames) of the chunk.
    """
    if not numba_usable():
        return gather_chunk_plainly(raw, frame_pixels, stride_pixels, place, chunk, half)
    from opticstream.imaging.omezarr.kernels import gather_kernel

    word, low, shift = _WORDS[chunk.dtype.name]
    _, columns, width = place.chunk
    maximum = np.zeros(columns * width, chunk.dtype)
    gather_kernel(
        raw, frame_pixels, stride_pixels, place.row * stride_pixels + place.column, place.rows, place.columns,
        place.frames, chunk, chunk.view(word), low, shift, columns, width, maximum,
        half.voxels, half.at, half.columns, half.width,
    )  # fmt: skip
    return maximum.reshape(columns, width)


def halve_chunk(chunk: Pixels, place: ChunkPlace, half: HalfTarget) -> None:
    """Add the half of a chunk to the next level; what is beyond the volume must be zeros."""
    if not len(half.voxels):
        return
    if not numba_usable():
        halve_chunk_plainly(chunk, place, half)
        return
    from opticstream.imaging.omezarr.kernels import halve_kernel

    word, low, shift = _WORDS[chunk.dtype.name]
    _, columns, width = place.chunk
    halve_kernel(
        chunk.view(word), low, shift, place.rows, place.columns, place.frames, columns, width,
        half.voxels, half.at, half.columns, half.width,
    )  # fmt: skip
