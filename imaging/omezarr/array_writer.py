"""One array, written chunk by chunk by a single writer: shards of Zarr v3, or the chunk files of v2."""

import math
import struct
from typing import Protocol

import google_crc32c

from opticstream.imaging.omezarr.tree import TreeFile, TreeWriter

ABSENT = (1 << 64) - 1
"""Offset and size in a shard's index of a chunk that lies beyond the array (Zarr v3, sharding codec)."""


class ArrayWriter(Protocol):
    """Takes the compressed chunks of an array, in order of the slabs along the axis that grows."""

    def write(self, slab: int, place: tuple[int, ...], data: bytes | memoryview) -> None:
        """Write a chunk.

        Args:
            slab: its index along the axis that grows; never less than that of the chunk before.
            place: its indices along the other axes.
            data: compressed.
        """

    def close(self) -> None:
        """Complete the last file."""

    def abandon(self) -> None:
        """Close what is open, which stays incomplete."""


class ShardWriter:
    """Writes shards that are as large as the array across the axis that grows.

    A shard is appended to as its chunks come and gets its index and its name at the end, so that it is whole or
    absent and never changed.

    Args:
        tree: where the files go.
        path: the array's folder.
        grid: chunks along each axis of a shard.
        axis: the axis that grows.
    """

    def __init__(self, tree: TreeWriter, path: str, grid: tuple[int, ...], axis: int) -> None:
        self._tree, self._path, self._grid, self._axis = tree, path, grid, axis
        self._file: TreeFile | None = None
        self._shard = 0
        self._index: list[int] = []

    def write(self, slab: int, place: tuple[int, ...], data: bytes | memoryview) -> None:
        """Append a chunk, to the next shard once it belongs there."""
        shard, within = divmod(slab, self._grid[self._axis])
        if self._file is not None and shard != self._shard:
            self.close()
        if self._file is None:
            key = ["0"] * len(self._grid)
            key[self._axis] = str(shard)
            self._file = self._tree.open("/".join((self._path, "c", *key)))
            self._shard, self._index = shard, [ABSENT] * (2 * math.prod(self._grid))
        at = 2 * flat_index((*place[: self._axis], within, *place[self._axis :]), self._grid)
        self._index[at : at + 2] = self._file.size, len(data)
        self._file.append(data)

    def close(self) -> None:
        """Append the index and give the shard its name."""
        if self._file is None:
            return
        index = struct.pack(f"<{len(self._index)}Q", *self._index)
        self._file.append(index + struct.pack("<I", google_crc32c.value(index)))
        self._file.seal()
        self._file = None

    def abandon(self) -> None:
        """Close the shard in the making."""
        if self._file is not None:
            self._file.abandon()
            self._file = None


class ChunkFileWriter:
    """Writes a file for each chunk.

    Args:
        tree: where the files go.
        path: the array's folder.
        axis: the axis that grows.
    """

    def __init__(self, tree: TreeWriter, path: str, axis: int) -> None:
        self._tree, self._path, self._axis = tree, path, axis

    def write(self, slab: int, place: tuple[int, ...], data: bytes | memoryview) -> None:
        """Write a chunk's file."""
        key = (*place[: self._axis], slab, *place[self._axis :])
        self._tree.write("/".join((self._path, *map(str, key))), data)

    def close(self) -> None:
        """Do nothing: each file is complete."""

    def abandon(self) -> None:
        """Do nothing: each file is complete."""


def flat_index(place: tuple[int, ...], grid: tuple[int, ...]) -> int:
    """Return the position of a place in C order."""
    index = 0
    for at, length in zip(place, grid, strict=True):
        index = index * length + at
    return index
