"""The strips of a channel as one volume."""

import math
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadFile, BadInput
from opticstream.core.files import sync_folder, write_failed
from opticstream.core.lsm_config import ZarrOptions
from opticstream.imaging.lsm_blend import PlacedStrip, place_strips, whole_shape
from opticstream.imaging.lsm_registration import Position, nominal_starts
from opticstream.imaging.omezarr.array_reader import ArrayReader
from opticstream.imaging.omezarr.block_pyramid import BlockPyramid
from opticstream.imaging.omezarr.levels import Shape
from opticstream.imaging.omezarr.metadata import group_files
from opticstream.imaging.omezarr.tree import TreeWriter
from opticstream.imaging.thread_pool import thread_pool, usable_cpus

_CACHE_BYTES = 128 << 20
"""Chunks of strips that are kept: those of the volume lie across them, so each is needed several times in a row."""


@dataclass(frozen=True)
class VolumeRecord:
    """What was joined."""

    positions: tuple[Position, ...]
    """First voxel (y: camera column, x: frame) of each strip, in the order given."""
    shape: Shape
    """Voxels (z, y, x)."""
    dtype: str
    levels: int
    files: int
    bytes: int
    """Of all files."""
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return what ``json.dumps`` takes."""
        return asdict(self)


def stitch_volume(
    strips: Sequence[Path],
    out: Path,
    positions: Sequence[Position],
    *,
    options: ZarrOptions,
    voxel_size_um: tuple[float, float, float],
    name: str,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
    check: Callable[[], None] | None = None,
) -> VolumeRecord:
    """Join the OME-Zarrs of a channel's strips into one, with its pyramid.

    Strips fade into each other as in :func:`~opticstream.imaging.lsm_stitch.stitch_mips`: over what two share, the
    weight of one falls and that of the other rises in a straight line along y. Where one covers alone its voxels are
    unchanged; where none covers they are 0. Memory does not grow with the volume: 128 MB of strips' chunks, and
    per level one block of 16 chunks.

    Args:
        strips: OME-Zarrs that this package wrote, (z, y, x) = (camera rows, camera columns, frames); numbers of columns
            and frames may differ.
        out: becomes the OME-Zarr, in a name that the caller publishes; what it held before is removed. Its root
            metadata is written last.
        positions: where each strip begins, (y, x), as :class:`~opticstream.imaging.lsm_stitch.StitchRecord` says.
        options: format, chunks, levels and compressor.
        voxel_size_um: (z, y, x) in µm.
        name: of the image in the metadata.
        workers: threads that blend and compress; 0: one per CPU this process may use, at most 8.
        progress: called with bytes of voxels done and in all, never on another thread.
        check: called before each block; what it raises ends the work.

    Returns:
        What was done. The files are durable.

    Raises:
        BadInput: there is no strip, or positions do not fit them.
        BadFile: a strip cannot be read, or is of another type or depth than the first.
        WriteFailed: the disk is full or may not be written to. After any error nothing is left.
    """
    began = time.monotonic()
    blend = _Blend(strips, positions)
    if out.exists():
        shutil.rmtree(out)
    total = math.prod(blend.shape) * blend.dtype.itemsize
    tree = TreeWriter(out)
    try:
        out.mkdir(parents=True)
        with thread_pool(workers or usable_cpus(), "volume") as pool:
            pyramid = BlockPyramid(
                tree, blend.shape, blend.dtype.name, options, pool, blend.fill, check=check,
                progress=None if progress is None else lambda done: progress(done, total),
            )  # fmt: skip
            pyramid.write()
        tree.sync_folders()
        for path, data in group_files(options.ome_version, name, pyramid.levels, voxel_size_um):
            tree.write(path, data)
        sync_folder(out)
        sync_folder(out.parent)
    except OSError as error:
        shutil.rmtree(out, ignore_errors=True)
        raise write_failed(out, error) from error
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    return VolumeRecord(
        positions=tuple((int(y), int(x)) for y, x in positions),
        shape=blend.shape,
        dtype=blend.dtype.name,
        levels=len(pyramid.levels),
        files=len(tree.files),
        bytes=sum(size for size, _ in tree.files.values()),
        seconds=round(time.monotonic() - began, 3),
    )


def nominal_positions(strips: Sequence[Path], overlap_percent: float) -> list[Position]:
    """Return where strips begin, (y, x), when each shares ``overlap_percent`` of its columns with the next.

    Raises:
        BadFile: a strip cannot be read.
        BadInput: the overlap is out of bounds.
    """
    starts = nominal_starts([ArrayReader(path / "0").shape[1] for path in strips], overlap_percent)
    return [(start, 0) for start in starts]


class _Blend:
    """Gives the voxels of any part of the joined volume; any number of threads may ask."""

    def __init__(self, strips: Sequence[Path], positions: Sequence[Position]) -> None:
        if not strips:
            raise BadInput("strips", found="none", expected="at least one strip's OME-Zarr")
        if len(strips) != len(positions) or min(min(place) for place in positions) < 0:
            expected = f"{len(strips)} pairs of (y, x), none below 0"
            raise BadInput("positions", found=str(list(positions)), expected=expected)
        self._readers = [ArrayReader(path / "0") for path in strips]
        self.dtype = self._readers[0].dtype
        depth = self._readers[0].shape[0]
        for path, reader in zip(strips, self._readers, strict=True):
            if len(reader.shape) != 3 or reader.dtype != self.dtype or reader.shape[0] != depth:
                raise BadFile(
                    str(path),
                    found=f"{reader.dtype}, shape {reader.shape}",
                    expected=f"{self.dtype}, {depth} rows, as in {strips[0].name}",
                )
        self._strips = place_strips([(reader.shape[1], reader.shape[2]) for reader in self._readers], positions)
        self.shape: Shape = (depth, *whole_shape(self._strips))
        self._known: OrderedDict[tuple[int, tuple[int, ...]], NDArray[Any]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def fill(self, first: Shape, out: NDArray[Any]) -> None:
        """Fill ``out``, zeros, whose first voxel is ``first``."""
        z, y, x = first
        parts = []
        for index, strip in enumerate(self._strips):
            rows = _shared(y, out.shape[1], strip.y, strip.rows)
            frames = _shared(x, out.shape[2], strip.x, strip.columns)
            if rows and frames:
                place = slice(rows[0] - y, rows[1] - y), slice(frames[0] - x, frames[1] - x)
                start = z, rows[0] - strip.y, frames[0] - strip.x
                voxels = self._window(index, start, (len(out), rows[1] - rows[0], frames[1] - frames[0]))
                parts.append((strip, place, voxels))
        if len(parts) == 1:
            _, place, voxels = parts[0]
            out[:, *place] = voxels
        elif parts:
            _mix(first, parts, out)

    def _window(self, index: int, first: Shape, size: Shape) -> NDArray[Any]:
        """Return a part of a strip."""
        chunk = self._readers[index].chunk
        window = np.empty(size, self.dtype)
        ranges = [range(at // edge, -(-(at + n) // edge)) for at, n, edge in zip(first, size, chunk, strict=True)]
        for place in ((z, y, x) for z in ranges[0] for y in ranges[1] for x in ranges[2]):
            into, out_of = [], []
            for at, n, edge, number in zip(first, size, chunk, place, strict=True):
                low, high = max(at, number * edge), min(at + n, (number + 1) * edge)
                into.append(slice(low - at, high - at))
                out_of.append(slice(low - number * edge, high - number * edge))
            window[tuple(into)] = self._chunk(index, place)[tuple(out_of)]
        return window

    def _chunk(self, index: int, place: tuple[int, ...]) -> NDArray[Any]:
        with self._lock:
            known = self._known.get((index, place))
            if known is not None:
                self._known.move_to_end((index, place))
                return known
        # Two threads may read one chunk at once: rare, and cheaper than to wait.
        chunk = self._readers[index].read(place)
        with self._lock:
            if (index, place) not in self._known:
                self._known[index, place] = chunk
                self._bytes += chunk.nbytes
            while self._bytes > _CACHE_BYTES and len(self._known) > 1:
                self._bytes -= self._known.popitem(last=False)[1].nbytes
        return chunk


def _shared(start: int, length: int, other: int, other_length: int) -> tuple[int, int] | None:
    low, high = max(start, other), min(start + length, other + other_length)
    return (low, high) if low < high else None


def _mix(first: Shape, parts: list[tuple[PlacedStrip, tuple[slice, slice], NDArray[Any]]], out: NDArray[Any]) -> None:
    """Write the weighted mean of strips; row by row of the camera, so that sums stay in the cache."""
    y = first[1]
    total = np.zeros(out.shape[1:], np.float32)
    weighted = []
    for strip, place, voxels in parts:
        weights = strip.weights[place[0].start + y - strip.y : place[0].stop + y - strip.y, None]
        total[place] += weights
        weighted.append((weights, place, voxels))
    covered = total > 0
    for row in range(len(out)):
        sums = np.zeros_like(total)
        for weights, place, voxels in weighted:
            sums[place] += weights * voxels[row]
        np.divide(sums, total, out=sums, where=covered)
        np.copyto(out[row], np.rint(sums, out=sums), casting="unsafe")
