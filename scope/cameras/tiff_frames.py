"""Frames of a TIFF file."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadFile
from opticstream.scope.cameras.frame_source import check_frames, reading


class TiffFrames:
    """Reads one frame at a time: out of one piece of the file where the frames lie in one, else page by page.

    Args:
        path: the file; ImageJ's, OME's and plain ones, with any compression that tifffile reads here.

    Raises:
        BadFile: colours, more than one axis besides rows and columns, or a file that ends too early.
    """

    def __init__(self, path: Path) -> None:
        import tifffile

        self._path = path
        self._file: Any = None
        with _complaints() as complaints:
            self._tiff = tifffile.TiffFile(path)
        try:
            with _complaints(complaints):
                self._open()
            if complaints:
                raise BadFile(str(path), found=f"a damaged file ({complaints[0]})", expected="a whole TIFF file")
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        series = self._tiff.series[0]
        shape = tuple(int(length) for length in series.shape)
        check_frames(self._path, shape, series.dtype, series.axes)
        self.shape = (shape[-2], shape[-1])
        self.number = int(np.prod(shape[:-2], dtype=int))
        self._stored = np.dtype(series.dtype).newbyteorder(self._tiff.byteorder)
        self.dtype = self._stored.newbyteorder("=")
        self._bytes = self.shape[0] * self.shape[1] * self.dtype.itemsize
        self._start = series.dataoffset
        self._pages: Any = series.pages
        self._file = self._path.open("rb", buffering=0)
        self.framerate = _framerate(self._tiff.imagej_metadata or {})
        end = None if self._start is None else self._start + self.number * self._bytes
        size = self._path.stat().st_size
        if end is not None and size < end:
            whole = max(0, (size - (self._start or 0)) // self._bytes)
            raise BadFile(str(self._path), found=f"{whole} whole frames", expected=f"{self.number}, as its header says")

    def read(self, index: int, out: NDArray[Any]) -> None:
        """Fill ``out`` with a frame.

        Raises:
            BadFile: the file ends before it or is damaged.
        """
        if self._start is None:
            out[...] = reading(self._path, lambda: self._pages[index].asarray())
            return
        whole = out if out.flags.c_contiguous and self._stored == out.dtype else np.empty(self.shape, self._stored)
        self._file.seek(self._start + index * self._bytes)
        taken = reading(self._path, lambda: self._file.readinto(whole.reshape(-1).view(np.uint8).data))
        if taken != self._bytes:
            raise BadFile(str(self._path), found=f"its end within frame {index}", expected=f"{self.number} frames")
        if whole is not out:
            out[...] = whole

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
        self._tiff.close()


@contextmanager
def _complaints(found: list[str] | None = None) -> Iterator[list[str]]:
    """Collect what tifffile only logs: it takes the pages it finds of a file that was cut off."""
    collected: list[str] = [] if found is None else found
    log = logging.getLogger("tifffile")

    def collect(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            collected.append(record.getMessage())
        return False

    log.addFilter(collect)
    try:
        yield collected
    finally:
        log.removeFilter(collect)


def _framerate(metadata: dict[str, Any]) -> float | None:
    """Return what ImageJ's header says of the time between frames."""
    for name, invert in (("fps", False), ("finterval", True)):
        value = metadata.get(name)
        if isinstance(value, int | float) and value > 0:
            return 1.0 / value if invert else float(value)
    return None
