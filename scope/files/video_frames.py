"""What may be appended to a video."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opticstream.core.errors import BadInput


@dataclass(frozen=True)
class VideoFormat:
    """Shape and scale of a video.

    Raises:
        BadInput: the shape is not (Y, X) or (C, Y, X), the pixels no unsigned integers, or a size is not positive.
    """

    shape: tuple[int, ...]
    """Of a frame: (Y, X), or (C, Y, X) where each channel is the crop of one ROI."""
    dtype: str = "uint8"
    """``uint8``, ``uint16``, ``uint32`` or ``uint64``."""
    nm_per_px: float = 1.0
    """Edge of a pixel in the sample, nm."""

    def __post_init__(self) -> None:
        if len(self.shape) not in (2, 3) or min(self.shape) < 1:
            raise BadInput("video: shape of a frame", found=f"{self.shape}", expected="(Y, X) or (C, Y, X)")
        if self.dtype not in ("uint8", "uint16", "uint32", "uint64"):
            raise BadInput("video: dtype", found=self.dtype, expected="uint8, uint16, uint32 or uint64")
        if not 0 < self.nm_per_px < float("inf"):
            raise BadInput("video: nm_per_px", found=f"{self.nm_per_px}", expected="more than 0")

    @property
    def frame_bytes(self) -> int:
        """Size of a frame."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize

    def take(
        self, frames: ArrayLike, numbers: ArrayLike, timestamps_ns: ArrayLike
    ) -> tuple[NDArray[Any], NDArray[np.uint64], NDArray[np.int64]]:
        """Return a stack as it goes into a file: little-endian, contiguous, its numbers and times beside it.

        Raises:
            BadInput: shapes or type differ from the video's.
        """
        pixels = np.asarray(frames)
        count, times = np.asarray(numbers, "<u8"), np.asarray(timestamps_ns, "<i8")
        if pixels.shape[1:] != self.shape or pixels.dtype.name != self.dtype:
            found, expected = f"{pixels.dtype} {pixels.shape}", f"{self.dtype} (F, {', '.join(map(str, self.shape))})"
            raise BadInput("video: frames", found=found, expected=expected)
        if not count.shape == times.shape == (len(pixels),):
            found = f"{count.shape} numbers and {times.shape} times"
            raise BadInput("video: frames", found=found, expected=f"({len(pixels)},) of each")
        return np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")), count, times
