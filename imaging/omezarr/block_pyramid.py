"""A volume of any size goes to disk at every resolution, block by block; nothing is read again.

Where :class:`~opticstream.imaging.omezarr.pyramid_writer.PyramidWriter` takes slabs as large as the volume across, this
one takes the volume depth first: a block of a coarse level is complete once the eight blocks below it are, so that one
block per level is all that is kept.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.core.lsm_config import ZarrOptions
from opticstream.imaging.omezarr.chunk_place import NO_HALF, ChunkPlace, HalfTarget, Pixels
from opticstream.imaging.omezarr.codec import ChunkCodec
from opticstream.imaging.omezarr.levels import Level, Shape, plan_levels
from opticstream.imaging.omezarr.metadata import AXES, array_files
from opticstream.imaging.omezarr.shard_file import write_part
from opticstream.imaging.omezarr.tree import TreeWriter
from opticstream.imaging.thread_pool import thread_pool

BLOCK = (1, 4, 4)
"""Chunks of a block, which is a shard in 0.5, along z, y and x."""

Fill = Callable[[Shape, NDArray[Any]], object]
"""Given the first voxel of a chunk, and an array of zeros for those of its voxels that are in the volume: fill it."""

_UNWRITTEN = 2
"""Compressed blocks that wait for the disk."""


class _Block:
    """Voxels of a block of a level above the first, while the blocks below it come in."""

    def __init__(self, level: Level, first: Shape, counts: Shape, dtype: np.dtype[Any]) -> None:
        self._level, self._first, self._counts = level, first, counts
        # Zeros beyond the edges: they are compressed with the rest, and add nothing to sums.
        self._chunks = np.zeros((*counts, int(np.prod(level.chunk))), dtype)

    def chunk(self, place: Shape) -> Pixels:
        """Return a chunk's voxels, flat."""
        z, y, x = (at - first for at, first in zip(place, self._first, strict=True))
        voxels: Pixels = self._chunks[z, y, x]
        return voxels

    def target(self, below: Shape) -> HalfTarget:
        """Return where the half of a chunk of the level below goes, whose first voxel is ``below``.

        It never straddles two chunks: their edges are even, and the same on both levels unless there is only one.
        """
        _, height, width = chunk = self._level.chunk
        half = [start // 2 for start in below]
        z, y, x = (start % edge for start, edge in zip(half, chunk, strict=True))
        voxels = self.chunk((half[0] // chunk[0], half[1] // height, half[2] // width))
        return HalfTarget(voxels, (z * height + y) * width + x, height, width)


class BlockPyramid:
    """Writes the levels of one OME-Zarr; one thread writes files, those of ``pool`` fill, halve and compress.

    Memory: per level above the first one block, and per thread one chunk.

    Args:
        tree: where the files go.
        shape: voxels (z, y, x).
        dtype: ``uint16`` or ``uint8``.
        options: format, chunks, levels and compressor.
        pool: threads.
        fill: gives the voxels of a chunk; called on any of the threads.
        check: called before each block; what it raises ends the work.
        progress: called with the voxels' bytes that are done, never on another thread.
    """

    def __init__(
        self,
        tree: TreeWriter,
        shape: Shape,
        dtype: str,
        options: ZarrOptions,
        pool: Executor,
        fill: Fill,
        *,
        check: Callable[[], None] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.levels: Sequence[Level] = plan_levels(shape, options.chunk, options)
        self._tree, self._dtype, self._options = tree, np.dtype(dtype), options
        self._pool, self._fill, self._check, self._progress = pool, fill, check, progress
        self._codecs = [ChunkCodec(options, int(np.prod(level.chunk)) * self._dtype.itemsize) for level in self.levels]
        self._waiting: deque[Future[None]] = deque()
        self._done = 0

    def write(self) -> None:
        """Write all levels; their files are durable, their folders are not yet."""
        for index, level in enumerate(self.levels):
            shard = tuple(count * edge for count, edge in zip(_counts(level), level.chunk, strict=True))
            blocksize = self._codecs[index].blocksize
            for name, data in array_files(
                self._options.ome_version, level.shape, level.chunk, shard, self._dtype.name, self._options, blocksize,
                axes=AXES,
            ):  # fmt: skip
                self._tree.write(f"{index}/{name}", data)
        top = len(self.levels) - 1
        with ExitStack() as stack:
            writing = stack.enter_context(thread_pool(1, "block-write"))
            stack.callback(self._waiting.clear)
            for place in _each([range(count) for count in _blocks(self.levels[top])]):
                self._block(top, place, None, writing)
            while self._waiting:
                self._waiting.popleft().result()

    def _block(self, number: int, place: Shape, above: _Block | None, writing: Executor) -> None:
        """Write a block of a level and all below it; its half goes to the block above."""
        level = self.levels[number]
        counts = _counts(level)
        first = tuple(at * count for at, count in zip(place, counts, strict=True))
        block = None
        if number:
            block = _Block(level, (first[0], first[1], first[2]), counts, self._dtype)
            below = _blocks(self.levels[number - 1])
            children = [range(2 * at, min(2 * at + 2, count)) for at, count in zip(place, below, strict=True)]
            for child in _each(children):
                self._block(number - 1, child, block, writing)
        elif self._check is not None:
            self._check()
        tasks = [(at, self._pool.submit(self._chunk, number, at, block, above)) for at in _places(level, first, counts)]
        chunks = [(at, task.result()) for at, task in tasks]
        while len(self._waiting) >= _UNWRITTEN:
            self._waiting.popleft().result()
        self._waiting.append(writing.submit(write_part, self._tree, str(number), counts, chunks, self._options))
        if not number and self._progress is not None:
            inside = (_inside(level, at) for at, _ in chunks)
            self._done += sum(int(np.prod(voxels)) for voxels in inside) * self._dtype.itemsize
            self._progress(self._done)

    def _chunk(self, number: int, at: Shape, block: _Block | None, above: _Block | None) -> bytes:
        """Return a chunk, compressed, after its half has gone to the block above."""
        from opticstream.imaging.omezarr.halving import halve_chunk

        level = self.levels[number]
        rows, columns, frames = _inside(level, at)
        z, y, x = (index * edge for index, edge in zip(at, level.chunk, strict=True))
        if block is None:
            voxels = np.zeros(int(np.prod(level.chunk)), self._dtype)
            self._fill((z, y, x), voxels.reshape(level.chunk)[:rows, :columns, :frames])
        else:
            voxels = block.chunk(at)
        half = NO_HALF[self._dtype.name] if above is None else above.target((z, y, x))
        halve_chunk(voxels, ChunkPlace(z, y, rows, columns, frames, level.chunk), half)
        return self._codecs[number].encode(voxels)


def _grid(level: Level) -> Shape:
    """Return the chunks of a level on each axis."""
    return (*level.grid, level.slabs)


def _counts(level: Level) -> Shape:
    """Return the chunks of a block on each axis."""
    z, y, x = (min(most, there) for most, there in zip(BLOCK, _grid(level), strict=True))
    return z, y, x


def _blocks(level: Level) -> Shape:
    """Return the blocks of a level on each axis."""
    z, y, x = (-(-there // count) for there, count in zip(_grid(level), _counts(level), strict=True))
    return z, y, x


def _places(level: Level, first: Sequence[int], counts: Shape) -> Iterator[Shape]:
    """Yield the chunks of a block that the level has, x fastest."""
    ends = (min(at + count, there) for at, count, there in zip(first, counts, _grid(level), strict=True))
    return _each([range(at, end) for at, end in zip(first, ends, strict=True)])


def _each(ranges: Sequence[range]) -> Iterator[Shape]:
    """Return all places of three ranges, the last one fastest."""
    z, y, x = ranges
    return itertools.product(z, y, x)


def _inside(level: Level, at: Shape) -> Shape:
    """Return how many voxels of a chunk are in the volume."""
    z, y, x = (
        min(edge, length - index * edge) for index, edge, length in zip(at, level.chunk, level.shape, strict=True)
    )
    return z, y, x
