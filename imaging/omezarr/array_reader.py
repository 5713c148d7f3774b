"""Chunks of an array back from disk, as plainly as they can be read."""

import json
import math
import struct
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numcodecs.blosc import Blosc
from numpy.typing import NDArray

from opticstream.core.errors import BadFile
from opticstream.imaging.omezarr.array_writer import ABSENT, flat_index

_V2_TYPES = {"<u2": "uint16", "|u1": "uint8"}


class ArrayReader:
    """Reads what :class:`ShardWriter` and :class:`ChunkFileWriter` wrote; any number of threads may share one.

    Args:
        folder: the array's.

    Raises:
        BadFile: the metadata is missing or not what this package writes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        sharded = (folder / "zarr.json").is_file()
        path = folder / ("zarr.json" if sharded else ".zarray")
        try:
            metadata: dict[str, Any] = json.loads(path.read_bytes())
            self.shape = tuple(int(length) for length in metadata["shape"])
            if sharded:
                shard = metadata["chunk_grid"]["configuration"]["chunk_shape"]
                self.chunk = tuple(int(n) for n in metadata["codecs"][0]["configuration"]["chunk_shape"])
                self._grid: tuple[int, ...] | None = tuple(n // m for n, m in zip(shard, self.chunk, strict=True))
                self.dtype = np.dtype(metadata["data_type"])
            else:
                self.chunk, self._grid = tuple(int(n) for n in metadata["chunks"]), None
                self.dtype = np.dtype(_V2_TYPES[metadata["dtype"]])
        except OSError as error:
            raise BadFile(str(path), found=error.strerror or str(error), expected="metadata of an array") from None
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise BadFile(str(path), found="other content", expected="metadata of an array of this package") from None

    def read(self, place: tuple[int, ...]) -> NDArray[Any]:
        """Return a chunk, whole, also where it leaves the array.

        Args:
            place: its indices on each axis.

        Raises:
            BadFile: it is missing, cut off or damaged.
        """
        path, data = self._stored(place)
        out = np.empty(self.chunk, self.dtype)
        try:
            if Blosc().decode(data, out).nbytes != out.nbytes:
                raise RuntimeError("another size")
        except (RuntimeError, ValueError) as error:
            raise BadFile(
                str(path), found=f"a damaged chunk {place} ({error})", expected="a compressed chunk"
            ) from None
        return out

    def _stored(self, place: tuple[int, ...]) -> tuple[Path, bytes]:
        if self._grid is None:
            path = self._folder.joinpath(*map(str, place))
            return path, _part(path, 0, None)
        shard = [at // count for at, count in zip(place, self._grid, strict=True)]
        path = self._folder.joinpath("c", *map(str, shard))
        within = tuple(at % count for at, count in zip(place, self._grid, strict=True))
        index = self._index(path)
        at = 2 * flat_index(within, self._grid)
        first, size = index[at : at + 2]
        if ABSENT in (first, size):
            raise BadFile(str(path), found=f"no chunk {place}", expected="all chunks of the array")
        return path, _part(path, first, size)

    def _index(self, path: Path) -> tuple[int, ...]:
        assert self._grid is not None  # noqa: S101 (only shards have one)
        numbers = 2 * math.prod(self._grid)
        data = _part(path, -(8 * numbers + 4), 8 * numbers + 4)
        if struct.unpack("<I", data[-4:])[0] != google_crc32c.value(data[:-4]):
            raise BadFile(str(path), found="an index with a wrong checksum", expected="a whole shard")
        return struct.unpack(f"<{numbers}Q", data[:-4])


def _part(path: Path, first: int, size: int | None) -> bytes:
    """Return ``size`` bytes from ``first`` on, or from so far before the end; None: all."""
    try:
        with path.open("rb", buffering=0) as handle:
            length = path.stat().st_size
            start = first if first >= 0 else max(0, length + first)
            wanted = length if size is None else size
            handle.seek(start)
            data = handle.read(min(wanted, length))
    except OSError as error:
        raise BadFile(str(path), found=error.strerror or str(error), expected="a file of the array") from None
    if len(data) != wanted:
        raise BadFile(str(path), found=f"{length} bytes", expected=f"{wanted} bytes from {first} on")
    return data
