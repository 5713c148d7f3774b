"""A recording as a camera."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadFile
from opticstream.scope.cameras.frame_schedule import FrameSchedule
from opticstream.scope.cameras.frame_sink import FrameSink
from opticstream.scope.cameras.frame_source import FrameSource, open_frames
from opticstream.scope.cameras.paced_camera import FRAMERATE, PacedCamera

_MOST_AT_ONCE = 64
"""Frames of one fetch, so that whoever fetches can listen to others in between."""


class ReplayCamera(PacedCamera):
    """Plays a recording at an even rate.

    Frame k is due k / rate after the first, whatever the scope did meanwhile: a late fetch delivers all that are due,
    those the buffer has no room for are dropped and counted, and frame numbers go on over both. Timestamps say when
    a frame was due. A small recording is read into memory when the camera is connected; of a large one at most a
    frame is held, of a compressed Zarr array a chunk.

    Args:
        path: a TIFF file (T, Y, X), or the folder of a Zarr array or an OME-Zarr image; uint8 or uint16.
        framerate: frames per second; absent: what the file says, or 30.
        loop: start again at the end; else ``finished`` is True then and no more frames come.
        nm_per_px: edge of a pixel, nm.
        bits: of a pixel that carry light; absent: all.
        preload_bytes: recordings up to this size are read into memory.
        clock: seconds since 1970 UTC; absent: the computer's.

    Raises:
        BadFile: the recording cannot be read or is something else.
        BadSetting: (a ValueError) the rate is not within 1 to 10,000.
    """

    nm_per_px = 200.0

    def __init__(
        self,
        path: Path | str,
        framerate: float | None = None,
        loop: bool = True,
        *,
        nm_per_px: float | None = None,
        bits: int | None = None,
        preload_bytes: int = 256 * 2**20,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.path = Path(path)
        self.loop = loop
        source = open_frames(self.path)
        try:
            self._recorded = (source.number, source.shape, source.dtype)
            said = source.framerate
        finally:
            source.close()
        self.height, self.width = source.shape
        self.dtype: np.dtype[Any] = source.dtype
        self.bits = 8 * source.dtype.itemsize if bits is None else bits
        if nm_per_px is not None:
            self.nm_per_px = nm_per_px
        super().__init__(clock)
        self._preload_bytes = preload_bytes
        self._source: FrameSource | None = None
        self._loaded: NDArray[Any] | None = None
        self._finished = False
        if framerate is not None:
            self._values["framerate"] = FRAMERATE.parse("framerate", framerate)
        elif said is not None and FRAMERATE.low <= said <= FRAMERATE.high:
            self._values["framerate"] = said

    @property
    def number_of_frames(self) -> int:
        """Frames of the recording."""
        return self._recorded[0]

    @property
    def finished(self) -> bool:
        """Whether the last frame has been delivered or dropped; never, where it starts again."""
        return self._finished

    def connect(self, video_buffer: FrameSink) -> None:
        """Open the recording, read it if it is small, and start the clock.

        Raises:
            BadFile: the recording cannot be read, or is not the one it was.
        """
        self.disconnect()
        self._source = open_frames(self.path)
        if (self._source.number, self._source.shape, self._source.dtype) != self._recorded:
            self.disconnect()
            raise BadFile(str(self.path), found="another recording", expected="the one this camera was made for")
        size = self.number_of_frames * self.height * self.width * np.dtype(self.dtype).itemsize
        if size <= self._preload_bytes:
            loaded = np.empty((self.number_of_frames, self.height, self.width), self.dtype)
            for index, frame in enumerate(loaded):
                self._source.read(index, frame)
            self._loaded = loaded
        super().connect(video_buffer)
        self._schedule = FrameSchedule(self._values["framerate"])
        self._finished = False

    def fetch(self) -> None:
        """Deliver all frames that are due, at most 64."""
        if self.video_buffer is None or self._finished:
            return
        for _ in range(min(self._schedule.due(self._clock()), _MOST_AT_ONCE)):
            if not self._deliver(self.video_buffer):
                return

    def _deliver(self, sink: FrameSink) -> bool:
        """Deliver or drop the next frame and say whether there are more; reading that fails uses up the number, too."""
        t, number = self._schedule.take(self._clock()), self._number
        index = number - self.first_number
        self._number += 1
        self._finished = not self.loop and index + 1 >= self.number_of_frames
        slot = sink.next_slot()
        if slot is None:
            sink.drop(number)
            self.report_queue_full()
            return not self._finished
        self.draw(index % self.number_of_frames, slot)
        sink.write_timestamp(t, number)
        self._measured.add(t)
        self.report_frame_received(t)
        return not self._finished

    def draw(self, number: int, out: NDArray[Any]) -> None:
        """Fill ``out`` with frame ``number`` of the recording."""
        if self._loaded is not None:
            out[...] = self._loaded[number]
        elif self._source is not None:
            self._source.read(number, out)

    def fetch_wait_s(self) -> float:
        """Return the seconds until the next frame is due; a second once there are none."""
        return 1.0 if self._finished else super().fetch_wait_s()

    def disconnect(self) -> None:
        """Close the recording."""
        self._loaded = None
        if self._source is not None:
            self._source.close()
            self._source = None
