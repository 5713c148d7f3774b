"""Where a camera puts its frames."""

from typing import Any, Protocol

from numpy.typing import NDArray


class FrameSink(Protocol):
    """The writing half of a video buffer, as cameras use it; one camera writes, nobody else."""

    def write_image_and_timestamp(self, image: NDArray[Any], t_unix_s: float, number: int | None = None) -> None:
        """Copy a frame in; raises an error when the buffer is full.

        Args:
            image: (height, width) of the buffer's dtype.
            t_unix_s: when it was taken, seconds since 1970 UTC.
            number: of the frame, larger than all before; absent: the next one.
        """

    def next_slot(self) -> NDArray[Any] | None:
        """Return the next free frame (height, width) to be filled in place, or None when the buffer is full."""

    def write_timestamp(self, t: float, number: int | None = None) -> None:
        """Hand over the slot that :meth:`next_slot` gave, now filled; arguments as above."""

    def drop(self, number: int | None = None) -> None:
        """Use up a number: that frame was taken, but there was no room for it."""
