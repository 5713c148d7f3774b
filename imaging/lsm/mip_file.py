"""A maximum intensity projection that grows along its rows, as a plain TIFF that every viewer opens."""

from pathlib import Path
from typing import IO, Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from opticstream.core.errors import WriteFailed
from opticstream.core.files import sync_file, sync_folder, writing

_BLOCK_BYTES = 8 << 20
_READ_BYTES = 8 << 20
_CLASSIC_BYTES = (1 << 32) - (1 << 20)
"""Above this a TIFF needs 64-bit offsets (BigTIFF)."""


class MipFile:
    """Writes a TIFF of (columns, frames) while the frames come in; memory does not grow with their number.

    The pixels are in one piece, uncompressed, since viewers such as ImageJ read nothing else of this size quickly.

    Args:
        path: the file; a name that the caller publishes.
        shape: (columns, frames).
        dtype: of a pixel.
        pixel_um: size of a pixel along (columns, frames), µm; becomes the resolution tags.

    Raises:
        WriteFailed: the disk is full or may not be written to; also from :meth:`add` and :meth:`close`.
    """

    def __init__(self, path: Path, shape: tuple[int, int], dtype: str, pixel_um: tuple[float, float]) -> None:
        from tifffile import TiffWriter

        self._path, self._shape, self._dtype = path, shape, np.dtype(dtype)
        row_bytes = self._dtype.itemsize * shape[1]
        per_cm = [10_000 / size for size in pixel_um]
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing(path), TiffWriter(path, bigtiff=row_bytes * shape[0] > _CLASSIC_BYTES, byteorder="<") as writer:
            place = writer.write(
                shape=shape, dtype=self._dtype, photometric="minisblack", metadata=None, software="opticstream",
                resolution=(per_cm[1], per_cm[0]), resolutionunit="CENTIMETER", contiguous=True, returnoffset=True,
                rowsperstrip=shape[0],
            )  # fmt: skip
        assert place is not None  # noqa: S101 (asked for above)
        self._offset = place[0]
        width = max(1, _BLOCK_BYTES // (shape[0] * self._dtype.itemsize))
        self._block = np.zeros((shape[0], min(width, shape[1])), self._dtype)
        self._start = self._filled = 0
        self._digests: list[tuple[int, int, int]] = []
        with writing(path):
            self._handle: IO[bytes] | None = path.open("r+b", buffering=0)

    def add(self, columns: NDArray[Any]) -> None:
        """Append frames, (columns, any number)."""
        taken = 0
        while taken < columns.shape[1]:
            some = min(columns.shape[1] - taken, self._block.shape[1] - self._filled)
            self._block[:, self._filled : self._filled + some] = columns[:, taken : taken + some]
            self._filled += some
            taken += some
            if self._filled == self._block.shape[1] or self._start + self._filled == self._shape[1]:
                with writing(self._path):
                    self._flush()

    def close(self) -> tuple[int, str]:
        """Make the file durable; return its bytes and its XXH3 (128 bits, hexadecimal).

        Raises:
            WriteFailed: the file does not hold what was written.
        """
        assert self._handle is not None  # noqa: S101 (a mistake of ours)
        with writing(self._path):
            sync_file(self._handle)
        for start, width, digest in self._digests:
            block = np.empty((self._shape[0], width), self._dtype)
            self._rows(block, start, write=False)
            if xxhash.xxh3_64_intdigest(block.data) != digest:
                raise WriteFailed(str(self._path), found="other pixels than were written", action="Check the disk.")
        whole, size = xxhash.xxh3_128(), 0
        self._handle.seek(0)
        while data := self._handle.read(_READ_BYTES):
            whole.update(data)
            size += len(data)
        self._handle.close()
        self._handle = None
        sync_folder(self._path.parent)
        return size, whole.hexdigest()

    def abandon(self) -> None:
        """Close the file."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def _flush(self) -> None:
        block = np.ascontiguousarray(self._block[:, : self._filled])
        self._rows(block, self._start, write=True)
        self._digests.append((self._start, self._filled, xxhash.xxh3_64_intdigest(block.data)))
        self._start += self._filled
        self._filled = 0

    def _rows(self, block: NDArray[Any], start: int, *, write: bool) -> None:
        """Write or read the part of each row that begins at ``start``; where it is the whole row, all at once."""
        assert self._handle is not None  # noqa: S101 (a mistake of ours)
        pieces = [block.reshape(-1)] if block.shape[1] == self._shape[1] else list(block)
        for row, piece in enumerate(pieces):
            self._handle.seek(self._offset + (row * self._shape[1] + start) * self._dtype.itemsize)
            view = piece.data.cast("B")
            while len(view):
                done = self._handle.write(view) if write else self._handle.readinto(view)  # type: ignore[attr-defined]
                if not done:
                    break
                view = view[done:]
