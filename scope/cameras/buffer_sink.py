"""The scope's video buffer, as cameras see it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.datatypes import BufferOverflow, VideoBuffer


class BufferSink:
    """The writing half of a :class:`VideoBuffer`, with images as (height, width).

    Args:
        buffer: that the camera alone writes.
    """

    def __init__(self, buffer: VideoBuffer) -> None:
        self._buffer = buffer

    def write_image_and_timestamp(
        self, image: bytes | NDArray[Any], t_unix_s: float, number: int | None = None
    ) -> None:
        """Copy a frame in.

        Raises:
            BufferOverflow: the buffer is full.
        """
        self._buffer.write_image_and_timestamp(image.T if isinstance(image, np.ndarray) else image, t_unix_s, number)

    def next_slot(self) -> NDArray[Any] | None:
        """Return the next free frame (height, width) to be filled in place, or None when the buffer is full."""
        try:
            return self._buffer.next_slot().T
        except BufferOverflow:
            return None

    def write_timestamp(self, t: float, number: int | None = None) -> None:
        """Hand over the slot, now filled."""
        self._buffer.write_timestamp(t, number)

    def drop(self, number: int | None = None) -> None:
        """Use up a number: that frame was taken, but there was no room for it."""
        self._buffer.drop(number)
