"""Frames of a Zarr array or an OME-Zarr image."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadFile
from opticstream.scope.cameras.frame_source import check_frames, reading

_SECONDS = {"second": 1.0, "millisecond": 1e-3, "microsecond": 1e-6}


class ZarrFrames:
    """Reads a chunk of frames at a time and keeps one, so that each is uncompressed once.

    Args:
        path: folder of an array, or of a group whose ``multiscales`` name one; the first is the full resolution.

    Raises:
        BadFile: no image in it, or more than one axis besides rows and columns.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._array, self.framerate = _open_array(path)
        shape = tuple(int(length) for length in self._array.shape)
        self._axis = check_frames(path, shape, self._array.dtype)
        self.shape = (shape[-2], shape[-1])
        self.dtype = np.dtype(self._array.dtype).newbyteorder("=")
        self.number = 1 if self._axis is None else shape[self._axis]
        self._length = 1 if self._axis is None else int(self._array.chunks[self._axis])
        self._kept: NDArray[Any] | None = None
        self._kept_first = 0

    def read(self, index: int, out: NDArray[Any]) -> None:
        """Fill ``out`` with a frame.

        Raises:
            BadFile: its chunk is damaged.
        """
        first = index - index % self._length
        if self._kept is None or first != self._kept_first:
            self._kept = None  # two chunks need not be in memory
            self._kept = reading(self._path, lambda: self._chunk(first))
            self._kept_first = first
        out[...] = self._kept[index - first]

    def _chunk(self, first: int) -> NDArray[Any]:
        where: list[Any] = [0] * (self._array.ndim - 2)
        if self._axis is not None:
            where[self._axis] = slice(first, first + self._length)
        return np.asarray(self._array[tuple(where)]).reshape(-1, *self.shape)

    def close(self) -> None:
        """Let go of the chunk; the files are closed between reads."""
        self._kept = None


def _open_array(path: Path) -> tuple[Any, float | None]:
    """Return the array and the frames per second that an OME-Zarr image's axes say."""
    import zarr

    found = zarr.open(path, mode="r")
    if isinstance(found, zarr.Array):
        return found, None
    attributes: dict[str, Any] = dict(found.attrs)
    scales: Any = attributes.get("ome", attributes)
    try:
        level = found[str(scales["multiscales"][0]["datasets"][0]["path"])]
    except (KeyError, IndexError, TypeError):
        level = None
    if not isinstance(level, zarr.Array):
        raise BadFile(str(path), found="a group without an image", expected="a Zarr array or an OME-Zarr image")
    return level, _framerate(scales["multiscales"][0])


def _framerate(image: Any) -> float | None:
    try:
        at = next(k for k, axis in enumerate(image["axes"]) if axis.get("type") == "time")
        unit = _SECONDS[image["axes"][at]["unit"]]
        scales = image["datasets"][0]["coordinateTransformations"]
        return 1.0 / (unit * next(float(scale["scale"][at]) for scale in scales if scale["type"] == "scale"))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, StopIteration, ZeroDivisionError):
        return None  # optional, and no reason to refuse an image
