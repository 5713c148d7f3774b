"""A strip's products are read back from the disk and compared: on this rests whether raw data may be deleted."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from opticstream.core.errors import BadFile
from opticstream.imaging.lsm.raw_array import BACKGROUND, raw_part, raw_shapes
from opticstream.imaging.lsm.record import LEDGER, ConversionRecord, Ledger, read_ledger
from opticstream.imaging.lsm.spool import SpoolStrip
from opticstream.imaging.lsm.spool_reader import SpoolReader
from opticstream.imaging.omezarr.array_reader import ArrayReader
from opticstream.imaging.thread_pool import thread_pool, usable_cpus

_READ_BYTES = 8 << 20
_MOST_PROBLEMS = 20

Check = Callable[[], None]


@dataclass(frozen=True)
class Verification:
    """What reading a strip's products back has shown."""

    problems: tuple[str, ...]
    """What is wrong, by file; the first 20. Empty: nothing."""
    files: int
    """Files that were read and compared."""
    voxels: int
    """Voxels of the full resolution that were decompressed and compared."""
    against_raw: bool
    """Whether they, and what lies beside the image, were also compared with the raw files."""

    @property
    def verified(self) -> bool:
        """Say whether everything is as it was written."""
        return not self.problems


def verify_strip(
    zarr_folder: Path,
    mip: Path | None,
    record: ConversionRecord,
    *,
    against: SpoolStrip | None = None,
    workers: int = 0,
    check: Check | None = None,
) -> Verification:
    """Read a strip's products back and compare them with what the conversion wrote.

    Each file's size and checksum are compared with the ledger, whose own is in the record; no file may be missing or
    added. Each chunk of the full resolution is decompressed and compared with the checksum its voxels had in memory.
    Where the system allows, files are first dropped from its cache, so that they come from the disk.

    Args:
        zarr_folder: the OME-Zarr.
        mip: the projection; None only where the record has none.
        record: what :func:`convert_strip` returned.
        against: the raw files: each of their bytes is compared too, with the image or what lies beside it.
        workers: threads; 0: one per CPU this process may use, at most 8.
        check: called between pieces of work; what it raises ends it.

    Returns:
        What was found. Damage is never raised, so that all of it is told at once.
    """
    threads = workers or usable_cpus()
    with thread_pool(threads, "strip-verify") as pool:
        work = _Verification(zarr_folder, record, pool, threads, check or (lambda: None))
        work.run(mip, against)
    return Verification(
        tuple(work.problems[:_MOST_PROBLEMS]), work.files, work.voxels, against is not None and work.raw_read
    )


def drop_from_cache(path: Path) -> None:
    """Have the next read come from the disk, where the system can be told so; the file must be durable."""
    if not hasattr(os, "posix_fadvise"):
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


def _checksum(path: Path) -> tuple[int, str]:
    """Return bytes and XXH3 of a file on disk."""
    drop_from_cache(path)
    digest, size = xxhash.xxh3_128(), 0
    with path.open("rb", buffering=0) as handle:
        while data := handle.read(_READ_BYTES):
            digest.update(data)
            size += len(data)
    return size, digest.hexdigest()


@dataclass
class _Verification:
    folder: Path
    record: ConversionRecord
    pool: ThreadPoolExecutor
    threads: int
    check: Check
    problems: list[str] = field(default_factory=list)
    files: int = 0
    voxels: int = 0
    raw_read: bool = False

    def run(self, mip: Path | None, against: SpoolStrip | None) -> None:
        try:
            ledger = read_ledger(self.folder, self.record)
            self._all(self._file_tasks(mip, ledger))
            if not self.problems:
                self._voxels(ledger, against)
        except BadFile as error:
            self.problems.append(str(error))

    def _all(self, tasks: Iterable[Callable[[], str | None]]) -> None:
        """Run tasks, a bounded number at a time, and gather what they complain of."""
        running: deque[Future[str | None]] = deque()

        def settle() -> None:
            if problem := running.popleft().result():
                self.problems.append(problem)

        for task in tasks:
            self.check()
            running.append(self.pool.submit(task))
            if len(running) > 2 * self.threads:
                settle()
        while running:
            settle()

    def _file_tasks(self, mip: Path | None, ledger: Ledger) -> Iterator[Callable[[], str | None]]:
        found = {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if not path.is_dir()}
        for path in sorted(found - set(ledger.files) - {LEDGER}):
            self.problems.append(f"{self.folder / path}: found a file that the conversion did not write")
        for path, (size, digest) in ledger.files.items():
            yield partial(self._file, self.folder / path, size, digest)
        if self.record.mip_bytes is not None and self.record.mip_xxh3 is not None:
            if mip is None:
                self.problems.append("projection: found no path to it; expected one, since the conversion wrote it")
            else:
                yield partial(self._file, mip, self.record.mip_bytes, self.record.mip_xxh3)
        self.files = len(ledger.files) + 1 + (mip is not None)

    def _file(self, path: Path, size: int, digest: str) -> str | None:
        try:
            found = _checksum(path)
        except OSError as error:
            return f"{path}: found {error.strerror or error}; expected {size} bytes, XXH3 {digest}"
        if found == (size, digest):
            return None
        return f"{path}: found {found[0]} bytes, XXH3 {found[1]}; expected {size} bytes, XXH3 {digest}"

    def _voxels(self, ledger: Ledger, against: SpoolStrip | None) -> None:
        image = ArrayReader(self.folder / "0")
        if image.shape != self.record.shape or image.dtype != self.record.dtype:
            expected = f"{self.record.shape} of {self.record.dtype}"
            raise BadFile(str(self.folder / "0"), found=f"{image.shape} of {image.dtype}", expected=expected)
        z, y, x = (-(-length // edge) for length, edge in zip(image.shape, image.chunk, strict=True))
        if len(ledger.voxels) != z * y * x:
            raise BadFile(
                str(self.folder / LEDGER), found=f"{len(ledger.voxels)} chunks", expected=f"{z * y * x} chunks"
            )
        raw = None if against is None else _RawFrames(against, ledger, self)
        digests = iter(ledger.voxels)
        for slab in range(x):
            width = min(image.chunk[2], image.shape[2] - slab * image.chunk[2])
            frames = None if raw is None else raw.next(width)
            places = [(row, column, slab) for row in range(z) for column in range(y)]
            self._all(partial(self._chunk, image, place, next(digests), frames) for place in places)
            self.voxels += image.shape[0] * image.shape[1] * width
            if raw is not None and frames is not None:
                raw.compare_beside(slab, frames)
        if raw is not None:
            raw.finish(image.chunk[2])
            self.raw_read = True

    def _chunk(
        self, image: ArrayReader, place: tuple[int, int, int], digest: str, frames: NDArray[Any] | None
    ) -> str | None:
        try:
            chunk = image.read(place)
        except BadFile as error:
            return str(error)
        if f"{xxhash.xxh3_64_intdigest(chunk.data):016x}" != digest:
            return f"{self.folder / '0'}: chunk {place}: found other voxels than were written"
        if frames is None:
            return None
        row, column = (at * edge for at, edge in zip(place[:2], chunk.shape[:2], strict=True))
        rows, columns = min(chunk.shape[0], image.shape[0] - row), min(chunk.shape[1], image.shape[1] - column)
        raw = frames[:, row : row + rows, column : column + columns]
        if np.array_equal(chunk[:rows, :columns, : len(frames)], raw.transpose(1, 2, 0)):
            return None
        return f"{self.folder / '0'}: chunk {place}: found other voxels than in the raw files"


class _RawFrames:
    """Reads a strip's raw files again, and compares what of them is no image."""

    def __init__(self, strip: SpoolStrip, ledger: Ledger, work: _Verification) -> None:
        found = [(file.path.name, file.size) for file in strip.files]
        expected = [(file.name, file.bytes) for file in ledger.raw]
        if found != expected:
            raise BadFile(
                str(strip.folder),
                found=f"{len(found)} files of {strip.nbytes} bytes",
                expected=f"the {len(expected)} files of {work.record.raw_bytes} bytes that were converted",
            )
        counts = strip.frames, strip.background_frames
        converted = work.record.frames, work.record.background_frames
        if counts != converted:
            raise BadFile(
                str(strip.folder),
                found="{} frames and {} more".format(*counts),
                expected="{} frames and {} more, as they were converted".format(*converted),
                action="The info file was changed since; convert the strip again.",
            )
        self._strip, self._ledger, self._work = strip, ledger, work
        self._reader = SpoolReader(strip, work.record.checksum, None, work.pool, lambda call, *args: call(*args))
        self._beside = {name: ArrayReader(work.folder / name) for name in raw_shapes(strip)}
        self._buffer = np.empty(0, strip.dtype)

    def next(self, count: int) -> NDArray[Any]:
        """Return the next frames: (frames, padded rows, stride pixels); valid until the next call."""
        shape = (count, self._strip.padded_rows, self._strip.format.stride_pixels)
        if self._buffer.size < (size := int(np.prod(shape))):
            self._buffer = np.empty(size, self._strip.dtype)
        part = self._buffer[:size]
        for using in self._reader.read(part.data.cast("B")):
            using.result()
        return part.reshape(shape)

    def compare_beside(self, slab: int, frames: NDArray[Any]) -> None:
        """Compare what lies beside the image in these frames."""
        for name in self._beside:
            if name != BACKGROUND:
                self._compare(name, slab, frames)

    def finish(self, width: int) -> None:
        """Compare the frames after the image, and the checksums of the files."""
        for slab, first in enumerate(range(0, self._strip.background_frames, width)):
            self._compare(BACKGROUND, slab, self.next(min(width, self._strip.background_frames - first)))
        self._reader.close()
        for file in self._ledger.raw:
            if file.checksum != self._reader.checksums.get(file.name):
                self._work.problems.append(f"{self._strip.folder / file.name}: found another checksum than converted")

    def _compare(self, name: str, slab: int, frames: NDArray[Any]) -> None:
        kept = self._beside[name].read((slab, 0, 0))[: len(frames)]
        if not np.array_equal(kept, raw_part(name, frames, self._strip)):
            self._work.problems.append(
                f"{self._work.folder / name}: slab {slab}: found other data than in the raw files"
            )
