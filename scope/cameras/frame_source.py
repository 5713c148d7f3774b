"""Frames in files, one at a time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadFile
from opticstream.core.files import read_failed

T = TypeVar("T")


class FrameSource(Protocol):
    """A recording that is open for reading."""

    number: int
    """Of frames."""
    shape: tuple[int, int]
    """Rows, columns."""
    dtype: np.dtype[Any]
    """uint8 or uint16, in this computer's byte order."""
    framerate: float | None
    """Frames per second, if the file says so."""

    def read(self, index: int, out: NDArray[Any]) -> None:
        """Fill ``out`` of ``shape`` and ``dtype`` with a frame.

        Raises:
            BadFile: the file ends before it or is damaged.
        """

    def close(self) -> None:
        """Close the file."""


def open_frames(path: Path) -> FrameSource:
    """Open a TIFF file, or the folder of a Zarr array or an OME-Zarr image.

    Raises:
        BadFile: it cannot be read, or is not a series of grey images of 8 or 16 bits.
    """
    if path.is_dir():
        from opticstream.scope.cameras.zarr_frames import ZarrFrames

        return reading(path, lambda: ZarrFrames(path))
    from opticstream.scope.cameras.tiff_frames import TiffFrames

    return reading(path, lambda: TiffFrames(path))


def reading(path: Path, work: Callable[[], T]) -> T:
    """Return what ``work`` reads; whatever a reader raises at a damaged file says which it was.

    Raises:
        BadFile: as above.
    """
    try:
        return work()
    except BadFile:
        raise
    except OSError as error:
        raise read_failed(path, error) from None
    except Exception as error:  # damaged headers raise anything out of the readers
        found = f"a damaged or unknown file ({type(error).__name__}: {error})"
        raise BadFile(str(path), found=found, expected="a TIFF file, a Zarr array or an OME-Zarr image") from None


def check_frames(path: Path, shape: tuple[int, ...], dtype: Any, axes: str = "") -> int | None:
    """Return which axis counts the frames, None for a single image.

    Args:
        path: of the file, for the error.
        shape: of all axes, rows and columns last.
        dtype: of the pixels.
        axes: their names, where the file has them.

    Raises:
        BadFile: no image, colours, another type, or more than one axis besides rows and columns.
    """
    longer = [axis for axis, length in enumerate(shape[:-2]) if length != 1]
    plain = not axes or axes.upper().endswith("YX")
    kind = np.dtype(dtype).newbyteorder("=").name
    if len(shape) < 2 or 0 in shape or len(longer) > 1 or not plain or kind not in ("uint8", "uint16"):
        found = f"shape {shape}{f' ({axes})' if axes else ''} of {kind}"
        raise BadFile(str(path), found=found, expected="grey images (T, Y, X) of uint8 or uint16")
    return longer[0] if longer else None
