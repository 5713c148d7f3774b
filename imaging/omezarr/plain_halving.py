"""The kernels' work in plain NumPy, for where nothing can be compiled: the same results, several times slower."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.imaging.omezarr.chunk_place import ChunkPlace, HalfTarget, Pixels


def gather_chunk_plainly(
    raw: NDArray[Any], frame_pixels: int, stride_pixels: int, place: ChunkPlace, chunk: Pixels, half: HalfTarget
) -> Pixels:
    """Do what :func:`gather_chunk` does."""
    frames = raw[: place.frames * frame_pixels].reshape(place.frames, -1, stride_pixels)
    part = frames[:, place.row : place.row + place.rows, place.column : place.column + place.columns]
    voxels = chunk.reshape(place.chunk)
    voxels[: place.rows, : place.columns, : place.frames] = part.transpose(1, 2, 0)
    halve_chunk_plainly(chunk, place, half)
    maximum: Pixels = voxels.max(axis=0)
    return maximum


def halve_chunk_plainly(chunk: Pixels, place: ChunkPlace, half: HalfTarget) -> None:
    """Do what :func:`halve_chunk` does."""
    if not len(half.voxels):
        return
    sizes = (place.rows, place.columns, place.frames)
    voxels = chunk.reshape(place.chunk)[tuple(slice(0, size + size % 2) for size in sizes)]
    z, y, x = (length // 2 for length in voxels.shape)
    total = voxels.reshape(z, 2, y, 2, x, 2).sum(axis=(1, 3, 5), dtype=np.float64)
    for axis, size in enumerate(sizes):
        if size % 2:  # the last one is alone, and what is beyond it is zero
            total[(*(slice(None),) * axis, -1)] *= 2
    target = half.voxels[half.at - half.at % (half.columns * half.width) :].reshape(-1, half.columns, half.width)
    column, frame = divmod(half.at % (half.columns * half.width), half.width)
    target[:z, column : column + y, frame : frame + x] = np.rint(total / 8)
