"""NIfTI-1 files: read the header and check the file is whole, map the data, write volumes and maps."""

import math
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadFile
from opticstream.core.files import sync_file

_WRITE_BLOCK = 8 << 20
_HEADER = 348
"""Bytes of a NIfTI-1 header."""
NIFTI_LONGEST = 32767
"""Longest axis that a NIfTI-1 header can say: its numbers have 16 bits."""


@dataclass(frozen=True, slots=True)
class NiftiInfo:
    """What a NIfTI file's header says, of a file that is whole."""

    shape: tuple[int, ...]
    """Axes as in the file, the fastest first: (x, y, z)."""
    dtype: np.dtype[Any]
    """Sample type with its byte order."""
    offset: int
    """Byte at which the samples begin."""
    voxel_mm: tuple[float, ...]
    """Voxel size along each axis, mm."""
    scaling: tuple[float, float] | None = None
    """(slope, intercept) by which stored samples become values; None: they are the values."""


def read_nifti_info(path: Path) -> NiftiInfo:
    """Read a NIfTI-1 header and check that all the samples it promises are there.

    Raises:
        BadFile: it is no regular file, cannot be read, is no NIfTI, or is shorter than its header says.
    """
    expected = "a NIfTI-1 file (.nii)"
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BadFile(str(path), found="a folder or device", expected=expected)
        with path.open("rb") as handle:
            start = handle.read(_HEADER)
        if start[:2] == b"\x1f\x8b":
            raise BadFile(str(path), found="a compressed file", expected=expected, action="Decompress it first.")
        header = nib.Nifti1Header(start, check=False)  # its check logs what we raise
        if int(header["sizeof_hdr"]) != _HEADER or header["magic"].item() != b"n+1":
            raise ValueError("no NIfTI-1 header")
        shape, dtype = tuple(int(length) for length in header.get_data_shape()), header.get_data_dtype()
        offset = int(header["vox_offset"]) or 352  # NaN and infinity raise
        if offset < _HEADER or not dtype.itemsize:
            raise ValueError("samples inside the header, or of no type")
    except OSError as error:
        raise BadFile(str(path), found=error.strerror or str(error), expected="a file this user can read") from None
    except (nib.spatialimages.HeaderDataError, nib.wrapstruct.WrapStructError, ValueError, OverflowError, KeyError):
        raise BadFile(
            str(path),
            found=f"{status.st_size} bytes that do not begin with a NIfTI-1 header",
            expected=expected,
            action="It may still be being written, or be another format.",
        ) from None
    wanted = offset + math.prod(shape) * dtype.itemsize
    if status.st_size < wanted or not shape or min(shape) < 1:
        raise BadFile(
            str(path),
            found=f"{status.st_size} bytes, shape {shape}",
            expected=f"{wanted} bytes, as its header says",
            action="The file is truncated; copy it again.",
        )
    return NiftiInfo(shape, dtype, offset, tuple(float(zoom) for zoom in header.get_zooms()), _scaling(header))


def _scaling(header: nib.Nifti1Header) -> tuple[float, float] | None:
    """Return the header's slope and intercept; a slope of 0 or no number means none (NIfTI-1, *data scaling*)."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if not math.isfinite(slope) or slope == 0 or (slope, intercept) == (1, 0):
        return None
    return slope, intercept


def check_complex_tile(path: Path) -> NiftiInfo:
    """Check that a file is a whole complex PS-OCT tile: float32, (4·nx, ny, nz).

    Raises:
        BadFile: it is not.
    """
    info = read_nifti_info(path)
    shape = info.shape
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3 or shape[0] % 4 or info.dtype.kind != "f" or info.dtype.itemsize != 4:
        raise BadFile(
            str(path),
            found=f"shape {info.shape} of {info.dtype}",
            expected="a complex tile: float32, shape (4·nx, ny, nz) with J1 re, J1 im, J2 re, J2 im along the first axis",
            action="Check tile_saving_type of the project, or --pattern.",
        )
    if info.scaling is not None:
        slope, intercept = info.scaling
        raise BadFile(
            str(path),
            found=f"samples to be scaled: scl_slope {slope:g}, scl_inter {intercept:g}",
            expected="a complex tile whose samples are the fields themselves: scl_slope 0 or 1, scl_inter 0",
            action="Save it without scaling.",
        )
    return NiftiInfo(shape, info.dtype, info.offset, info.voxel_mm[:3])


def map_nifti(path: Path) -> NDArray[Any]:
    """Return the samples as a read-only memory map in memory order: shape (nz, ny, nx), C order.

    Raises:
        BadFile: the file is not a whole NIfTI-1 file.
    """
    info = read_nifti_info(path)
    return np.memmap(path, dtype=info.dtype, mode="r", offset=info.offset, shape=info.shape[::-1], order="C")


def nifti_header(
    shape: tuple[int, ...], voxel_mm: tuple[float, float, float], description: str, *, dtype: str = "<f4"
) -> bytes:
    """Return the 352 bytes before the samples of a file: units mm, qform and sform the same affine."""
    header = nib.Nifti1Header()
    header.set_data_dtype(np.dtype(dtype))
    header.set_data_shape(shape)
    affine = np.diag((*voxel_mm, 1.0))
    header.set_zooms((*voxel_mm, *(1.0,) * 4)[: len(shape)])
    header.set_xyzt_units("mm")
    header.set_qform(affine, code="scanner")
    header.set_sform(affine, code="scanner")
    header["descrip"] = description.encode("ascii", "replace")[:79]
    header["magic"] = b"n+1"
    header["vox_offset"] = 352
    return bytes(header.binaryblock) + b"\0" * 4


def write_nifti(
    path: Path, array: NDArray[np.float32], voxel_mm: tuple[float, float, float], *, description: str
) -> None:
    """Write a float32 NIfTI-1 file and make it durable; the caller gives a temporary name and renames.

    Args:
        path: file to write.
        array: (nz, ny, nx) volume, or (ny, nx) map, which is written with a third axis of 1.
        voxel_mm: voxel size (x, y, z) in mm.
        description: at most 79 ASCII characters.

    Raises:
        OSError: the disk is full or cannot be written to.
    """
    volume = array if array.ndim == 3 else array[np.newaxis]
    with path.open("wb") as handle:
        handle.write(nifti_header(volume.shape[::-1], voxel_mm, description))
        _write_samples(handle, volume)
        sync_file(handle)


def _write_samples(handle: IO[bytes], volume: NDArray[np.float32]) -> None:
    """Write little-endian samples in blocks, without a second copy of the volume."""
    rows = max(1, _WRITE_BLOCK // max(1, volume[0].nbytes))
    for start in range(0, volume.shape[0], rows):
        handle.write(np.ascontiguousarray(volume[start : start + rows], dtype="<f4").data)


def write_little_by_little(path: Path, data: bytes | memoryview, pause: Callable[[], None], pieces: int = 6) -> None:
    """Write ``data`` in pieces under its final name, as acquisition software does; ``pause()`` between them."""
    size = -(-len(data) // pieces)
    with path.open("wb") as handle:
        for start in range(0, len(data), size):
            handle.write(data[start : start + size])
            handle.flush()
            os.fsync(handle.fileno())
            pause()
