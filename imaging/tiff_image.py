"""Grey images in TIFF files, read and written by bands of rows, so that none has to fit in memory."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadFile
from opticstream.core.files import sync_file

_DTYPES = ("uint8", "uint16", "float32")
_CLASSIC_BYTES = 4_000_000_000
"""Above this an image needs BigTIFF, whose offsets have 64 bits."""
_MOST_PACKED = 1100
"""No compression in use packs images tighter; what claims more would only fill the memory."""
_UM_PER_CM = 10_000


def open_image(path: Path) -> NDArray[Any]:
    """Return the image of a TIFF file with one page, (rows, columns) uint8, uint16 or float32.

    An uncompressed image is mapped, not read, so that a band costs only what it holds.

    Raises:
        BadFile: it cannot be read, is truncated, or holds something else.
    """
    import tifffile

    expected = f"a whole TIFF file with one grey image of {', '.join(_DTYPES)}"
    try:
        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages.first
            shape, dtype = page.shape, page.dtype
            grey = len(shape) == 2 and min(shape) > 0 and dtype is not None and dtype.name in _DTYPES
            if len(tiff.pages) != 1 or not grey or dtype is None:
                found = f"{len(tiff.pages)} page(s), shape {shape} of {dtype}"
                raise BadFile(str(path), found=found, expected=expected)
            if page.nbytes > _MOST_PACKED * path.stat().st_size:
                raise ValueError(f"{path.stat().st_size} bytes for an image of {shape}")
            if not page.is_memmappable:
                image = page.asarray()
                if image.shape != shape or image.dtype.name != dtype.name:
                    raise ValueError(f"an image of {image.shape} where its header says {shape}")
                return np.asarray(image)
            offset, order = int(page.dataoffsets[0]), tiff.byteorder
        return np.memmap(path, dtype.newbyteorder(order), "r", offset, shape)
    except BadFile:
        raise
    except OSError as error:
        raise BadFile(str(path), found=error.strerror or str(error), expected=expected) from None
    except Exception as error:  # damaged headers raise anything out of the reader
        raise BadFile(str(path), found=f"a damaged file ({error})", expected=expected) from None


def write_image(
    path: Path,
    shape: tuple[int, int],
    dtype: np.dtype[Any],
    bands: Iterable[NDArray[Any]],
    *,
    pixel_um: tuple[float, float] = (1.0, 1.0),
) -> None:
    """Write an uncompressed grey TIFF file and make it durable; the caller gives a temporary name and renames.

    Args:
        path: file to write; BigTIFF where the image needs it.
        shape: (rows, columns).
        dtype: uint8, uint16 or float32.
        bands: the rows from the first to the last, any number at a time, (n, columns) of ``dtype``.
        pixel_um: height and width of a pixel, µm; stored as resolution.

    Raises:
        OSError: the disk is full or cannot be written to.
    """
    import tifffile

    size = shape[0] * shape[1] * dtype.itemsize
    # Room for the samples is left empty and filled below by plain writes: through a memory map a full disk would end
    # the process instead of raising.
    with tifffile.TiffWriter(path, bigtiff=size > _CLASSIC_BYTES, byteorder="<") as tiff:
        resolution = (_UM_PER_CM / pixel_um[1], _UM_PER_CM / pixel_um[0])
        options: dict[str, Any] = {"resolution": resolution, "resolutionunit": "CENTIMETER", "metadata": None}
        place = tiff.write(
            None, shape=shape, dtype=dtype, photometric="MINISBLACK", returnoffset=True, software=False, **options
        )
    if place is None or place[1] != size:
        raise RuntimeError(f"{path}: expected {size} bytes in one piece, got {place}")
    with path.open("r+b") as handle:
        handle.seek(place[0])
        for band in bands:
            handle.write(np.ascontiguousarray(band, dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data)
        if handle.tell() != place[0] + size:
            raise ValueError(f"{path}: {handle.tell() - place[0]} bytes of samples, expected {size}")
        sync_file(handle)
