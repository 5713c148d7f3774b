"""A volume that comes slab by slab along x goes to disk at every resolution; nothing is read again."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import xxhash

from opticstream.core.lsm_config import ZarrOptions
from opticstream.imaging.omezarr.array_writer import ArrayWriter, ChunkFileWriter, ShardWriter
from opticstream.imaging.omezarr.chunk_place import NO_HALF, ChunkPlace, HalfTarget, LevelBuffer, Pixels, places
from opticstream.imaging.omezarr.codec import BLOSC_OVERHEAD, ChunkCodec
from opticstream.imaging.omezarr.halving import halve_chunk
from opticstream.imaging.omezarr.levels import Level
from opticstream.imaging.omezarr.metadata import AXES, array_files
from opticstream.imaging.omezarr.tree import TreeWriter

_AHEAD = 2
"""Slabs of the full resolution in work at once."""


class SlabSource(Protocol):
    """A slab of the full resolution: (z, y, frames) voxels, one chunk thick, the last one perhaps thinner."""

    frames: int

    def fill(self, place: ChunkPlace, chunk: Pixels, half: HalfTarget) -> object:
        """Write a chunk's voxels, and their half; called on worker threads.

        Args:
            place: which chunk.
            chunk: receives the voxels in C order; flat, zeros where the chunk leaves the volume.
            half: receives the mean of 2 x 2 x 2 voxels.

        Returns:
            Anything that :meth:`filled` should get.
        """

    def filled(self, results: Sequence[tuple[ChunkPlace, Any]]) -> None:
        """Take note that the slab's voxels are not needed any more; called on the writer's thread."""


_Encoded = tuple[Pixels, int, int, object]


@dataclass
class _Slab:
    level: int
    index: int
    frames: int
    above: LevelBuffer | None
    source: SlabSource | None = None
    below: LevelBuffer | None = None
    left: int = 0
    """Chunks that have not been written."""
    results: list[tuple[ChunkPlace, Any]] = field(default_factory=list)


@dataclass
class _Task:
    slab: _Slab
    place: ChunkPlace
    future: Future[_Encoded]
    """Buffer, how many of its bytes are the compressed chunk, checksum of its voxels, what its source returned."""


@dataclass
class CpuClock:
    """CPU time of the work done on other threads, seconds."""

    seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def timed(self, work: Callable[..., Any], *args: Any) -> Any:
        """Call ``work`` and add the CPU time of this thread meanwhile."""
        began = time.thread_time()
        try:
            return work(*args)
        finally:
            with self._lock:
                self.seconds += time.thread_time() - began


class PyramidWriter:
    """Writes the levels of one OME-Zarr; compression runs on ``pool``, files are written by the caller's thread.

    At most two slabs of the full resolution are in work, and two of each coarser one.

    Args:
        tree: where the files go.
        levels: as :func:`plan_levels` gives.
        dtype: ``uint16`` or ``uint8``.
        options: format and compressor.
        pool: compresses.
        threads: of the pool.
        clock: counts their CPU time.
    """

    def __init__(
        self,
        tree: TreeWriter,
        levels: Sequence[Level],
        dtype: str,
        options: ZarrOptions,
        pool: Executor,
        threads: int,
        clock: CpuClock | None = None,
    ) -> None:
        self.levels = tuple(levels)
        self.voxel_digests: list[int] = []
        """XXH3 (64 bits) of each chunk of the full resolution, decompressed: by slab, then z, then y."""
        self._dtype = np.dtype(dtype)
        self._pool, self._clock = pool, clock or CpuClock()
        self._scratch = threading.local()
        self._waiting: deque[tuple[_Slab, ChunkPlace]] = deque()
        self._running: deque[_Task] = deque()
        self._most_running = 2 * threads + 2
        # Results are moved to buffers that are used again: freed on another thread and in another order than they
        # were allocated, they would leave the allocator with more holes than there is data.
        self._results: deque[Pixels] = deque()
        self._slabs = self._begun = 0
        self._buffers: dict[int, LevelBuffer] = {}
        self._used: dict[int, list[LevelBuffer]] = {}
        self._codecs, self._writers = [], list[ArrayWriter]()
        for index, level in enumerate(self.levels):
            codec = ChunkCodec(options, int(np.prod(level.chunk)) * self._dtype.itemsize)
            self._codecs.append(codec)
            self._writers.append(array_writer(tree, str(index), level.chunk, level.shard, options, axis=2))
            files = array_files(
                options.ome_version, level.shape, level.chunk, level.shard, dtype, options, codec.blocksize, axes=AXES
            )
            for name, data in files:
                tree.write(f"{index}/{name}", data)

    def write(self, source: SlabSource) -> None:
        """Take the next slab; returns when at most one other is still in work."""
        self._begin(_Slab(0, self._begun, source.frames, self._above(0, self._begun), source=source))
        self._begun += 1
        while self._begun - self._slabs >= _AHEAD:
            self._take()

    def close(self) -> None:
        """Write what is left and complete the files."""
        while self._running:
            self._take()
        for writer in self._writers:
            writer.close()

    def abandon(self) -> None:
        """Close the files in the making."""
        for writer in self._writers:
            writer.abandon()

    def _above(self, level: int, slab: int) -> LevelBuffer | None:
        """Return the buffer of the next level that this slab goes to."""
        if level + 1 == len(self.levels):
            return None
        index = slab * self.levels[level].chunk[2] // 2 // self.levels[level + 1].chunk[2]
        buffer = self._buffers.get(level + 1)
        if buffer is None or buffer.slab != index:
            used = self._used.get(level + 1, [])
            buffer = used.pop() if used else LevelBuffer(self.levels[level + 1], self._dtype)
            buffer.begin(index)
            self._buffers[level + 1] = buffer
        return buffer

    def _begin(self, slab: _Slab) -> None:
        self._waiting.extend((slab, place) for place in places(self.levels[slab.level], slab.frames))
        slab.left = self.levels[slab.level].grid[0] * self.levels[slab.level].grid[1]
        self._submit()

    def _submit(self) -> None:
        """Keep the threads busy, without more results than are soon written."""
        while self._waiting and len(self._running) < self._most_running:
            slab, place = self._waiting.popleft()
            half = NO_HALF[self._dtype.name]
            if slab.above is not None:
                half = slab.above.target(place, slab.index * self.levels[slab.level].chunk[2])
            work, given = (self._first, slab.source) if slab.below is None else (self._coarser, slab.below)
            future = self._pool.submit(self._clock.timed, work, slab.level, given, place, half)
            self._running.append(_Task(slab, place, future))

    def _first(self, level: int, source: SlabSource, place: ChunkPlace, half: HalfTarget) -> _Encoded:
        chunk: Pixels | None = getattr(self._scratch, "chunk", None)
        if chunk is None:
            chunk = self._scratch.chunk = np.empty(int(np.prod(place.chunk)), self._dtype)
        if not place.whole:
            chunk[:] = 0
        result = source.fill(place, chunk, half)
        return *self._encode(level, chunk), xxhash.xxh3_64_intdigest(chunk.data), result

    def _coarser(self, level: int, buffer: LevelBuffer, place: ChunkPlace, half: HalfTarget) -> _Encoded:
        chunk = buffer.chunk(place)
        halve_chunk(chunk, place, half)
        return *self._encode(level, chunk), 0, None

    def _encode(self, level: int, chunk: Pixels) -> tuple[Pixels, int]:
        try:
            buffer = self._results.pop()
        except IndexError:
            most = int(np.prod(self.levels[0].chunk)) * self._dtype.itemsize + BLOSC_OVERHEAD
            buffer = np.empty(most, np.uint8)
        return buffer, self._codecs[level].encode_into(chunk, buffer)

    def _take(self) -> None:
        """Write the oldest chunk in work; after a slab's last one its half may be whole."""
        task = self._running.popleft()
        slab = task.slab
        buffer, size, digest, result = task.future.result()
        self._submit()
        self._writers[slab.level].write(slab.index, task.place.grid, buffer.data[:size])
        self._results.append(buffer)
        slab.left -= 1
        if slab.source is not None:
            self.voxel_digests.append(digest)
            slab.results.append((task.place, result))
        if not slab.left:
            self._end(slab)

    def _end(self, slab: _Slab) -> None:
        if slab.source is not None:
            slab.source.filled(slab.results)
            self._slabs += 1
        if slab.below is not None:
            self._used.setdefault(slab.level, []).append(slab.below)
        if slab.above is None:
            return
        level, above = slab.level + 1, self.levels[slab.level + 1]
        end = slab.index * self.levels[slab.level].chunk[2] + slab.frames
        if -(-end // 2) == min((slab.above.slab + 1) * above.chunk[2], above.shape[2]):
            higher = self._above(level, slab.above.slab)
            self._begin(_Slab(level, slab.above.slab, slab.above.frames, higher, below=slab.above))


def array_writer(
    tree: TreeWriter,
    path: str,
    chunk: tuple[int, ...],
    shard: tuple[int, ...],
    options: ZarrOptions,
    *,
    axis: int,
) -> ArrayWriter:
    """Return the writer of an array in the format of ``options``."""
    if options.ome_version == "0.4":
        return ChunkFileWriter(tree, path, axis)
    grid = tuple(whole // part for whole, part in zip(shard, chunk, strict=True))
    return ShardWriter(tree, path, grid, axis)
