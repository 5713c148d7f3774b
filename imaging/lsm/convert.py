"""A strip's raw files, read once, become an OME-Zarr with pyramid, a projection, checksums and an archive copy."""

import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from opticstream.core.files import sync_folder, writing
from opticstream.core.lsm_config import Checksum, ZarrOptions
from opticstream.imaging.lsm.mip_file import MipFile
from opticstream.imaging.lsm.raw_array import BACKGROUND, RawArrayWriter, raw_shapes
from opticstream.imaging.lsm.record import LEDGER, ConversionRecord, Ledger, RawFile
from opticstream.imaging.lsm.spool import SpoolStrip
from opticstream.imaging.lsm.spool_reader import SpoolReader
from opticstream.imaging.omezarr.chunk_place import ChunkPlace, HalfTarget, Pixels
from opticstream.imaging.omezarr.halving import gather_chunk
from opticstream.imaging.omezarr.levels import SLAB_BYTES, plan_levels, slab_width
from opticstream.imaging.omezarr.metadata import group_files
from opticstream.imaging.omezarr.pyramid_writer import CpuClock, PyramidWriter
from opticstream.imaging.omezarr.tree import TreeWriter
from opticstream.imaging.raw_sink import RawSink
from opticstream.imaging.thread_pool import thread_pool, usable_cpus

_BUFFERS = 2
"""One is read into while the other is compressed."""

Progress = Callable[[int, int], None]


def convert_strip(
    strip: SpoolStrip,
    zarr_folder: Path,
    *,
    mip: Path | None,
    options: ZarrOptions,
    voxel_size_um: tuple[float, float, float],
    name: str,
    checksum: Checksum = "none",
    sink: RawSink | None = None,
    workers: int = 0,
    progress: Progress | None = None,
    check: Callable[[], None] | None = None,
    slab_bytes: int = SLAB_BYTES,
) -> ConversionRecord:
    """Convert a strip; each raw byte is read once.

    Raw data are taken slab by slab, one chunk thick along the frames; memory is bounded by ``slab_bytes`` (two slabs
    of raw frames, what they compress to, and a third of a slab for the pyramid), whatever the strip's length. What
    the image leaves out, padding and background frames, is kept in arrays beside it.

    Args:
        strip: what :func:`open_spool` found.
        zarr_folder: becomes the OME-Zarr: z are camera rows, y camera columns, x frames. A name that the caller
            publishes; what it held before is removed. Its root metadata is written last.
        mip: becomes the maximum over the rows, a TIFF of (columns, frames), in a name that the caller publishes; None:
            no projection.
        options: format, chunks and compressor.
        voxel_size_um: (z, y, x) in µm.
        name: of the image in the metadata.
        checksum: of each raw file; goes to the ledger.
        sink: receives the raw files in their order, from the same read.
        workers: threads that compress; 0: one per CPU this process may use, at most 8.
        progress: called with raw bytes done and raw bytes in all, never on another thread.
        check: called before each slab; what it raises ends the work.
        slab_bytes: raw bytes taken at once; frames larger than half of it are taken two at a time.

    Returns:
        What was done. The files are durable.

    Raises:
        BadFile: a raw file cannot be read, or was changed after the strip was opened.
        WriteFailed: the disk is full or may not be written to. After any error nothing is left.
    """
    conversion = _Conversion(strip, zarr_folder, mip, options, voxel_size_um, slab_bytes)
    try:
        with writing(zarr_folder):
            return conversion.run(name, checksum, sink, workers or usable_cpus(), progress, check)
    except BaseException:
        conversion.discard()
        raise


class _Conversion:
    """The files of one conversion."""

    def __init__(
        self,
        strip: SpoolStrip,
        folder: Path,
        mip: Path | None,
        options: ZarrOptions,
        voxel_size_um: tuple[float, float, float],
        slab_bytes: int,
    ) -> None:
        self._strip, self._folder, self._mip, self._options = strip, folder, mip, options
        self._voxel_size_um = voxel_size_um
        width = slab_width(strip.format.frame_bytes, options, slab_bytes)
        self._levels = plan_levels(strip.shape, width, options)
        self._width = self._levels[0].chunk[2]
        self._tree = TreeWriter(folder)

    def discard(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._mip is not None:
            with suppress(OSError):
                self._mip.unlink(missing_ok=True)

    def run(
        self,
        name: str,
        checksum: Checksum,
        sink: RawSink | None,
        workers: int,
        progress: Progress | None,
        check: Callable[[], None] | None,
    ) -> ConversionRecord:
        began, cpu = time.monotonic(), time.thread_time()
        strip, clock = self._strip, CpuClock()
        if self._folder.exists():
            shutil.rmtree(self._folder)
        self._folder.mkdir(parents=True)
        with ExitStack() as stack:
            pool = stack.enter_context(thread_pool(workers, "strip-encode"))
            self._tree = TreeWriter(
                self._folder, stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="strip-disk"))
            )
            reading = stack.enter_context(thread_pool(1, "strip-read"))
            reader = SpoolReader(strip, checksum, sink, pool, clock.timed)
            stack.callback(reader.close)
            stack.callback(reading.shutdown, cancel_futures=True)
            raw = {
                kind: RawArrayWriter(self._tree, kind, strip, self._width, self._options, pool, clock)
                for kind in raw_shapes(strip)
            }
            writer = PyramidWriter(self._tree, self._levels, strip.dtype, self._options, pool, workers, clock)
            projection = self._open_projection(stack)
            stack.callback(writer.abandon)
            for array in raw.values():
                stack.callback(array.abandon)
            slabs = _Slabs(strip, self._width, reader, reading, clock, raw, projection, progress)
            for slab in slabs:
                if check is not None:
                    check()
                writer.write(slab)
            writer.close()
            if BACKGROUND in raw:
                slabs.background(check)
            for array in raw.values():
                array.close()
            mip = (None, None) if projection is None else projection.close()
            self._tree.wait()
        root = group_files(self._options.ome_version, name, self._levels, self._voxel_size_um)
        ledger = self._ledger(writer, reader, root)
        data = ledger.to_bytes()
        self._commit(root, data)
        written = sum(size for size, _ in ledger.files.values())
        return ConversionRecord(
            ome_version=self._options.ome_version,
            raw_bytes=strip.nbytes,
            raw_files=len(strip.files),
            frames=strip.frames,
            background_frames=strip.background_frames,
            checksum=checksum,
            shape=strip.shape,
            dtype=strip.dtype,
            levels=len(self._levels),
            zarr_files=len(ledger.files),
            zarr_bytes=written,
            ratio=round(strip.nbytes / written, 4),
            ledger_bytes=len(data),
            ledger_xxh3=xxhash.xxh3_128_hexdigest(data),
            mip_bytes=mip[0],
            mip_xxh3=mip[1],
            seconds=round(time.monotonic() - began, 3),
            cpu_seconds=round(clock.seconds + time.thread_time() - cpu, 3),
        )

    def _open_projection(self, stack: ExitStack) -> MipFile | None:
        if self._mip is None:
            return None
        _, columns, frames = self._strip.shape
        projection = MipFile(self._mip, (columns, frames), self._strip.dtype, self._voxel_size_um[1:])
        stack.callback(projection.abandon)
        return projection

    def _ledger(self, writer: PyramidWriter, reader: SpoolReader, root: list[tuple[str, bytes]]) -> Ledger:
        files = self._tree.files | {path: (len(data), xxhash.xxh3_128_hexdigest(data)) for path, data in root}
        raw = [
            RawFile(
                name=file.path.name,
                bytes=file.size,
                mtime_ns=file.mtime_ns,
                checksum=reader.checksums.get(file.path.name),
            )
            for file in self._strip.files
        ]
        return Ledger(files=files, voxels=tuple(f"{d:016x}" for d in writer.voxel_digests), raw=tuple(raw))

    def _commit(self, root: list[tuple[str, bytes]], ledger: bytes) -> None:
        """Write the root's metadata when all else is durable."""
        tree = TreeWriter(self._folder)
        tree.write(LEDGER, ledger)
        self._tree.sync_folders()
        for path, data in root:
            tree.write(path, data)
        sync_folder(self._folder)
        sync_folder(self._folder.parent)


class _Slabs:
    """Reads the strip ahead, slab by slab, into buffers that are used again."""

    def __init__(
        self,
        strip: SpoolStrip,
        width: int,
        reader: SpoolReader,
        reading: ThreadPoolExecutor,
        clock: CpuClock,
        raw: dict[str, RawArrayWriter],
        projection: MipFile | None,
        progress: Progress | None,
    ) -> None:
        self.strip, self.projection = strip, projection
        self.beside = {name: writer for name, writer in raw.items() if name != BACKGROUND}
        self._background = raw.get(BACKGROUND)
        self._width, self._reader, self._reading, self._clock = width, reader, reading, clock
        self._progress = progress
        pixels = strip.padded_rows * strip.format.stride_pixels
        self._shape = (-1, strip.padded_rows, strip.format.stride_pixels)
        self._free: list[Pixels] = [np.empty(width * pixels, strip.dtype) for _ in range(_BUFFERS)]
        self._coming: deque[tuple[Future[list[Future[None]]], NDArray[Any], Pixels]] = deque()
        self._asked = self._bytes = 0

    def __iter__(self) -> Iterator["_StripSlab"]:
        """Yield each slab of the image; the next one is being read meanwhile."""
        self._ask()
        index = 0
        while self._coming:
            future, frames, buffer = self._coming.popleft()
            using = future.result()
            self._ask()
            yield _StripSlab(self, index, frames, buffer, using)
            index += 1

    def _ask(self) -> None:
        """Have the next slab read if there is a buffer for it."""
        count = min(self._width, self.strip.frames - self._asked)
        if count and self._free:
            self._asked += count
            self._coming.append(self._read(self._free.pop(), count))

    def _read(self, buffer: Pixels, count: int) -> tuple[Future[list[Future[None]]], NDArray[Any], Pixels]:
        part = buffer[: count * self._shape[1] * self._shape[2]]
        future = self._reading.submit(self._clock.timed, self._reader.read, part.data.cast("B"))
        return future, part.reshape(self._shape), buffer

    def give_back(self, buffer: Pixels, frames: int) -> None:
        """Use a buffer again."""
        self._free.append(buffer)
        self._ask()
        self._advance(frames)

    def background(self, check: Callable[[], None] | None) -> None:
        """Take the frames after the image."""
        assert self._background is not None  # noqa: S101 (asked by whoever has them)
        buffer = self._free[0]
        for index, first in enumerate(range(0, self.strip.background_frames, self._width)):
            if check is not None:
                check()
            count = min(self._width, self.strip.background_frames - first)
            future, frames, _ = self._read(buffer, count)
            using = future.result()
            self._background.write(index, self._background.encode(frames).result())
            for other in using:
                other.result()
            self._advance(count)

    def _advance(self, frames: int) -> None:
        self._bytes += frames * self.strip.format.frame_bytes
        if self._progress is not None:
            self._progress(self._bytes, self.strip.nbytes)


class _StripSlab:
    """A slab of frames as the camera stored them."""

    def __init__(
        self, slabs: _Slabs, index: int, frames: NDArray[Any], buffer: Pixels, using: list[Future[None]]
    ) -> None:
        self.frames = len(frames)
        self._slabs, self._index, self._buffer, self._using = slabs, index, buffer, using
        self._beside = {name: writer.encode(frames) for name, writer in slabs.beside.items()}

    def fill(self, place: ChunkPlace, chunk: Pixels, half: HalfTarget) -> object:
        """Fill a chunk and return its maximum over the rows."""
        stored = self._slabs.strip.format
        pixels = stored.padded_rows * stored.stride_pixels
        return gather_chunk(self._buffer, pixels, stored.stride_pixels, place, chunk, half)

    def filled(self, results: Sequence[tuple[ChunkPlace, Any]]) -> None:
        """Let the buffer go, then write the projection and what lies beside the image."""
        beside = {name: future.result() for name, future in self._beside.items()}
        for future in self._using:
            future.result()
        self._slabs.give_back(self._buffer, self.frames)
        for name, data in beside.items():
            self._slabs.beside[name].write(self._index, data)
        if self._slabs.projection is None:
            return
        columns = np.zeros((self._slabs.strip.columns, self.frames), self._buffer.dtype)
        for place, maximum in results:
            part = columns[place.column : place.column + place.columns]
            np.maximum(part, maximum[: place.columns, : self.frames], out=part)
        self._slabs.projection.add(columns)
