"""The video of a recording, whatever its format, in as many files as its frames have shapes."""

import itertools
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.files.tracking_writer import tracking_file_stem
from opticstream.scope.files.video_frames import VideoFormat

VideoKind = Literal["zarr", "tiff"]
_ENDINGS = {"zarr": ".ome.zarr", "tiff": ".tiff"}


class VideoRecording:
    """Appends stacks to one file; when their shape changes, since other beads are cut out, a new one begins.

    Args:
        folder: where the files go.
        start_ns: when the recording began, ns since 1970 UTC; names the files.
        nm_per_px: edge of a pixel in the sample, nm.
        kind: OME-Zarr, or one TIFF.
    """

    def __init__(self, folder: Path, start_ns: int, nm_per_px: float, kind: VideoKind) -> None:
        self._folder, self._nm_per_px, self._kind = folder, nm_per_px, kind
        self._stem = tracking_file_stem(start_ns).replace("Tracking Data", "Video")
        self._form: VideoFormat | None = None
        self._file: Any = None
        self.path: Path | None = None

    def append(self, frames: NDArray[Any], numbers: NDArray[np.uint64], timestamps_ns: NDArray[np.int64]) -> None:
        """Append a stack, (F, Y, X) or (F, C, Y, X).

        Raises:
            WriteFailed: the disk refuses; the file is as before.
        """
        form = VideoFormat(frames.shape[1:], frames.dtype.name, self._nm_per_px)
        if form != self._form:
            self.close()
            self._open(form)
        self._file.append(frames, numbers, timestamps_ns)

    def close(self) -> None:
        """Close the file."""
        file, self._file, self._form = self._file, None, None
        if file is not None:
            file.close()

    def _open(self, form: VideoFormat) -> None:
        from opticstream.scope.files.tiff_video import TiffVideo
        from opticstream.scope.files.zarr_video import ZarrVideo

        ending = _ENDINGS[self._kind]
        names = itertools.chain([self._stem], (f"{self._stem} ({number})" for number in itertools.count(1)))
        self.path = next(path for name in names if not (path := self._folder / f"{name}{ending}").exists())
        self._file = ZarrVideo(self.path, form) if self._kind == "zarr" else TiffVideo(self.path, form)
        self._form = form
