"""A NIfTI volume that is written a few B-lines at a time, so that it need not be held whole."""

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opticstream.core.files import sync_file
from opticstream.imaging.nifti import nifti_header


class NiftiRowWriter:
    """Writes a float32 volume by blocks of rows, in any order and from any thread.

    Call :meth:`finish` at the end, or :meth:`close` to give up. The caller gives a temporary name and renames. Rows
    that were never written are 0.

    Args:
        path: file to write.
        shape: the volume's shape in memory order, (nz, ny, nx).
        voxel_mm: voxel size (x, y, z) in mm.
        description: at most 79 ASCII characters.

    Raises:
        OSError: the disk is full or cannot be written to.
    """

    def __init__(
        self, path: Path, shape: tuple[int, int, int], voxel_mm: tuple[float, float, float], *, description: str
    ) -> None:
        self.shape = shape
        self._lock = threading.Lock()
        self._file = path.open("wb", buffering=0)
        try:
            header = nifti_header(shape[::-1], voxel_mm, description)
            self._start = len(header)
            self._put(0, memoryview(header))
            nz, ny, nx = shape
            self._file.truncate(self._start + 4 * nz * ny * nx)  # a full size limit shows before the work
        except BaseException:
            self._file.close()
            raise

    def write(self, first_row: int, block: NDArray[np.float32]) -> None:
        """Write rows from ``first_row`` on; ``block`` is (nz, rows, nx).

        Raises:
            OSError: the disk is full or failed.
        """
        _, ny, nx = self.shape
        with self._lock:  # one file position; and disks like one writer
            for z, plane in enumerate(block):
                data = np.ascontiguousarray(plane, "<f4")
                self._put(self._start + 4 * (z * ny + first_row) * nx, data.data.cast("B"))

    def _put(self, at: int, data: memoryview) -> None:
        self._file.seek(at)
        while data:
            data = data[self._file.write(data) :]

    def finish(self) -> None:
        """Make the file durable and close it.

        Raises:
            OSError: the disk is full or failed.
        """
        with self._file:
            sync_file(self._file)

    def close(self) -> None:
        """Close the file as it is; after :meth:`finish` this does nothing."""
        self._file.close()
