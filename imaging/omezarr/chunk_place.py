"""Where a chunk lies in its level, and where its half goes in the next."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.imaging.omezarr.levels import Level

Pixels = NDArray[Any]


@dataclass(frozen=True, slots=True)
class ChunkPlace:
    """One chunk of a slab, and how much of it is inside the volume."""

    row: int
    """First row (z)."""
    column: int
    """First column (y)."""
    rows: int
    columns: int
    frames: int
    """Voxels inside, along z, y and x."""
    chunk: tuple[int, int, int]
    """Voxels of a chunk."""

    @property
    def whole(self) -> bool:
        """Say whether all of it is inside."""
        return (self.rows, self.columns, self.frames) == self.chunk

    @property
    def grid(self) -> tuple[int, int]:
        """Its indices along z and y."""
        return self.row // self.chunk[0], self.column // self.chunk[1]


def places(level: Level, frames: int) -> Iterator[ChunkPlace]:
    """Yield the chunks of a slab of so many frames, z slowest."""
    z, y, _ = level.shape
    for row in range(0, z, level.chunk[0]):
        for column in range(0, y, level.chunk[1]):
            rows, columns = min(level.chunk[0], z - row), min(level.chunk[1], y - column)
            yield ChunkPlace(row, column, rows, columns, frames, level.chunk)


@dataclass(frozen=True, slots=True)
class HalfTarget:
    """Where the half resolution of a chunk is written; flat, so that compiled code indexes it without overhead."""

    voxels: Pixels
    """A chunk of the next level; empty: there is none."""
    at: int
    """First voxel."""
    columns: int
    width: int
    """Voxels of that chunk along y and x."""


class LevelBuffer:
    """A slab of a level above the first, while the slabs below it come in.

    Args:
        level: of the buffer.
        dtype: of a voxel.
    """

    def __init__(self, level: Level, dtype: np.dtype[Any]) -> None:
        self.slab = self.frames = 0
        self._level = level
        z, y = level.grid
        # Zeros beyond the edges: they are compressed with the rest, and add nothing to sums.
        self.chunks = np.zeros((z * y, level.chunk[0] * level.chunk[1] * level.chunk[2]), dtype)

    def begin(self, slab: int) -> None:
        """Take up a slab, by its index along x; voxels of another one that it does not replace are removed."""
        self.slab = slab
        self.frames = min(self._level.chunk[2], self._level.shape[2] - slab * self._level.chunk[2])
        if self.frames < self._level.chunk[2]:
            self.chunks[:] = 0

    def chunk(self, place: ChunkPlace) -> Pixels:
        """Return a chunk's voxels, flat."""
        row, column = place.grid
        voxels: Pixels = self.chunks[row * self._level.grid[1] + column]
        return voxels

    def target(self, below: ChunkPlace, frame: int) -> HalfTarget:
        """Return where the half of a chunk of the level below goes, whose slab begins at ``frame``.

        It never straddles two chunks: they begin at multiples of an even edge that is the same on both levels, or
        there is only one on an axis.
        """
        depth, height, width = self._level.chunk
        row, column = below.row // 2, below.column // 2
        voxels = self.chunks[(row // depth) * self._level.grid[1] + column // height]
        at = (row % depth * height + column % height) * width + (frame // 2) % width
        return HalfTarget(voxels, at, height, width)


NO_HALF = {kind: HalfTarget(np.empty(0, kind), 0, 1, 1) for kind in ("uint8", "uint16")}
"""For the last level."""
