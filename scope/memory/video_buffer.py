"""Frames on their way from the camera to the trackers."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opticstream.scope.memory.errors import BadValue, BufferOverflow, BufferUnderflow
from opticstream.scope.memory.fence import fence
from opticstream.scope.memory.ring_counters import RingCounters
from opticstream.scope.memory.shared_buffer import Fields, SharedBuffer, whole_numbers
from opticstream.scope.memory.video_stack import VideoStack

_DTYPES: dict[int, type[np.unsignedinteger[Any]]] = {8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}
_TRIES = 1000


class NewestImage(NamedTuple):
    """A copy of the newest frame."""

    image: NDArray[Any]
    """(X, Y)."""
    timestamp: float
    """s since 1970 UTC."""
    number: int
    """The camera's."""


class VideoBuffer(SharedBuffer):
    """A ring of ``n_stacks`` stacks of ``n_images`` frames, each with its time and the camera's number.

    Three parties, none of whom waits for another:

    - *the camera* alone calls what writes. It never overwrites what is not released: then a frame overflows, and the
      camera says so by :meth:`drop`, which uses its number up.
    - *the video processor* alone calls what releases. Its workers look at :meth:`stack` by number, which is valid
      until the video processor releases it.
    - *anybody* may take :meth:`peak_image`, a copy of the newest frame that is never torn, and the counts.

    Every number from the first on is either a written or a dropped frame, whatever is killed in between; so the
    frames that are missing can be told to the last one. A camera process that starts again attaches and goes on with
    :attr:`next_number`; what its predecessor had begun is overwritten and was never delivered.

    Images have shape (X, Y) and stacks (X, Y, T): they are transposed views of rows in C order.

    Args:
        name: of the segment.
        create: make it; the rest is needed then, and known to the segment otherwise.
        n_stacks: stacks in the ring.
        n_images: frames of a stack.
        width: pixels of a row, X.
        height: rows of a frame, Y.
        bits: of a pixel: 8, 16, 32 or 64, unsigned.

    Raises:
        BadValue: (a ValueError) a parameter is missing or impossible.
        NotEnoughMemory: larger than what is free.
    """

    def __init__(
        self, name: str, create: bool, *, n_stacks: int | None = None, n_images: int | None = None,
        width: int | None = None, height: int | None = None, bits: int | None = None,
    ) -> None:  # fmt: skip
        parameters: Sequence[int] = ()
        if create:
            parameters = whole_numbers(
                "video buffer", n_stacks=n_stacks, n_images=n_images, width=width, height=height, bits=bits
            )
            if bits not in _DTYPES:
                raise BadValue("video buffer: bits", found=f"{bits}", expected="8, 16, 32 or 64")
        arrays = self._open(name, create, parameters)
        self.n_stacks, self.n_images, self.width, self.height, bits_found = self._parameters[:5]
        self.dtype = np.dtype(_DTYPES[bits_found])
        self.n_total_images = self.n_stacks * self.n_images
        self.image_shape = self.width, self.height
        self.stack_shape = self.width, self.height, self.n_images
        self._pixels, self._times, self._numbers = arrays["pixels"], arrays["times"], arrays["numbers"]
        self._camera, self._processor = arrays["camera"], arrays["processor"]
        self._ring = RingCounters(arrays["ring"], self.n_total_images)

    def _fields(self, parameters: Sequence[int]) -> Fields:
        n_stacks, n_images, width, height, bits = parameters[:5]
        n = n_stacks * n_images
        return {
            "ring": (np.uint64, (2,)),
            "camera": (np.uint64, (2,)),  # the first number + 1, and the next number
            "processor": (np.uint64, (1,)),  # frames released
            "times": (np.float64, (n,)),
            "numbers": (np.uint64, (n,)),
            "pixels": (_DTYPES[bits], (n, height, width)),
        }

    # The camera ------------------------------------------------------------------------------------------------

    @property
    def next_number(self) -> int:
        """The number that the next frame gets if the camera does not say; no later frame may have a lower one."""
        return int(self._camera[1])

    def next_slot(self) -> NDArray[Any]:
        """Return the place of the next frame (X, Y) to fill; :meth:`write_timestamp` then makes it a frame.

        Raises:
            BufferOverflow: nothing is released that could be overwritten.
        """
        written = self._ring.written
        if written - self._released() >= self.n_total_images:
            raise BufferOverflow(
                f"video buffer {self.name}", found=f"{self.n_total_images} frames that are not released",
                expected="room for one more", action="Fewer frames a second, fewer beads or more processors help.",
            )  # fmt: skip
        self._ring.begin(written + 1)
        slot: NDArray[Any] = self._pixels[written % self.n_total_images].T
        return slot

    def write_timestamp(self, t: float, number: int | None = None) -> int:
        """Make what was put into :meth:`next_slot` the newest frame.

        Args:
            t: when it was taken, s since 1970 UTC.
            number: the camera's; absent: :attr:`next_number`.

        Returns:
            Its number.

        Raises:
            BufferOverflow: nothing is released that could be overwritten.
            BadValue: the number is lower than :attr:`next_number`.
        """
        self.next_slot()
        number = self._check_number(number)
        written = self._ring.written
        place = written % self.n_total_images
        self._times[place], self._numbers[place] = t, number
        self._use_up(number)  # first: whoever is killed now has lost the frame, and it counts as dropped
        self._ring.finish(written + 1)
        return number

    def write_image_and_timestamp(
        self, image: bytes | bytearray | memoryview | ArrayLike, t: float, number: int | None = None
    ) -> int:
        """Write a frame.

        Args:
            image: the bytes of its rows in C order, or an array (X, Y) of the buffer's type.
            t: when it was taken, s since 1970 UTC.
            number: the camera's; absent: :attr:`next_number`.

        Returns:
            Its number.

        Raises:
            BufferOverflow: nothing is released that could be overwritten.
            BadValue: the image has another size or type, or the number is lower than :attr:`next_number`.
        """
        rows = self._rows(image)
        self._check_number(number)
        self.next_slot().T[:] = rows
        return self.write_timestamp(t, number)

    def drop(self, number: int | None = None) -> int:
        """Use up the number of a frame that could not be kept, and return it.

        Raises:
            BadValue: the number is lower than :attr:`next_number`.
        """
        number = self._check_number(number)
        self._use_up(number)
        return number

    def _use_up(self, number: int) -> None:
        self._camera[1] = number + 1
        if not self._camera[0]:
            self._camera[0] = number + 1

    def _rows(self, image: bytes | bytearray | memoryview | ArrayLike) -> NDArray[Any]:
        where = f"video buffer {self.name}: image"
        if isinstance(image, bytes | bytearray | memoryview):
            size, expected = memoryview(image).nbytes, self.width * self.height * self.dtype.itemsize
            if size != expected:
                raise BadValue(where, found=f"{size} bytes", expected=f"{expected}")
            return np.frombuffer(image, self.dtype).reshape(self.height, self.width)
        array = np.asarray(image)
        if array.shape != self.image_shape or array.dtype != self.dtype:
            raise BadValue(
                where, found=f"{array.dtype} of shape {array.shape}", expected=f"{self.dtype}, {self.image_shape}"
            )
        return array.T

    def _check_number(self, number: int | None) -> int:
        lowest = self.next_number
        if number is not None and number < lowest:
            raise BadValue(f"video buffer {self.name}: frame number", found=f"{number}", expected=f"{lowest} or more")
        return lowest if number is None else int(number)

    # The video processor ---------------------------------------------------------------------------------------

    @property
    def _first_stack(self) -> int:
        """The oldest stack of which nothing is released."""
        return -(-self._released() // self.n_images)

    def _released(self) -> int:
        released = int(self._processor[0])
        fence()
        return released

    def _release_up_to(self, frame: int) -> None:
        fence()  # whoever looked at the frames has done so before the camera may overwrite them
        self._processor[0] = frame

    def get_unread_stack_count(self) -> int:
        """Return how many full stacks are not released."""
        return max(0, self._ring.written // self.n_images - self._first_stack)

    def check_read_stack(self) -> bool:
        """Return whether there is a full stack to read."""
        return self.get_unread_stack_count() > 0

    def peak_stack(self) -> VideoStack:
        """Return the oldest full stack that is not released.

        Raises:
            BufferUnderflow: there is none.
        """
        return self.stack(self._first_stack)

    def peak_stacks(self, count: int) -> list[VideoStack]:
        """Return up to ``count`` full stacks that are not released, oldest first; none is an empty list."""
        first = self._first_stack
        return [self.stack(first + i) for i in range(min(count, self.get_unread_stack_count()))]

    def stack(self, index: int) -> VideoStack:
        """Return the stack with this number, counted from the first ever written; valid until it is released.

        Raises:
            BufferUnderflow: it is not full yet, or was released.
        """
        first, end = self._first_stack, self._ring.written // self.n_images
        if not first <= index < end:
            raise BufferUnderflow(
                f"video buffer {self.name}: stack {index}",
                found="released already" if index < first else "not full yet",
                expected=f"one of {first} to {end - 1}" if first < end else "a full stack",
            )  # fmt: skip
        start = index % self.n_stacks * self.n_images
        part = slice(start, start + self.n_images)
        return VideoStack(self._pixels[part].T, self._times[part], self._numbers[part], index)

    def release(self) -> int:
        """Let the camera overwrite the oldest full stack, and return its number.

        Raises:
            BufferUnderflow: there is none.
        """
        index = self.peak_stack().sequence
        self._release_up_to((index + 1) * self.n_images)
        return index

    def read_stack_no_return(self) -> int:
        """Discard the oldest full stack, and return its number.

        Raises:
            BufferUnderflow: there is none.
        """
        return self.release()

    def read_image(self) -> NewestImage:
        """Return a copy of the oldest frame that is not released, and release it; its stack is then not read as one.

        Raises:
            BufferUnderflow: there is none.
        """
        frame = self._released()
        if frame >= self._ring.written:
            raise BufferUnderflow(f"video buffer {self.name}", found="no frame", expected="one that is not released")
        copy = self._copy(frame)
        self._release_up_to(frame + 1)
        return copy

    # Anybody ---------------------------------------------------------------------------------------------------

    def _copy(self, frame: int) -> NewestImage:
        place = frame % self.n_total_images
        return NewestImage(self._pixels[place].copy().T, float(self._times[place]), int(self._numbers[place]))

    def peak_image(self) -> NewestImage:
        """Return a copy of the newest frame; it is whole, whatever the camera does meanwhile.

        Raises:
            BufferUnderflow: there is no frame, or the camera fills the only place there is.
        """
        for attempt in range(_TRIES):
            written = self._ring.written
            if not written:
                break
            copy = self._copy(written - 1)
            if self._ring.intact() < written:
                return copy
            if attempt:
                time.sleep(0)  # the camera went round the whole ring; on one core it needs to get on
        raise BufferUnderflow(f"video buffer {self.name}", found="no whole frame", expected="one")

    def get_level(self) -> float:
        """Return how full the ring is, 0 to 1."""
        released = self._released()  # first: a frame that is released in between was written before
        return min(1.0, (self._ring.written - released) / self.n_total_images)

    @property
    def frames_written(self) -> int:
        """Frames that the camera has put here."""
        return self._ring.written

    @property
    def frames_dropped(self) -> int:
        """Numbers from the first to the newest that no frame here has: dropped by the camera or for want of room.

        While a frame is being published it may count for a moment.
        """
        first, following = int(self._camera[0]), self.next_number
        fence()
        return max(0, following - (first - 1) - self._ring.written) if first else 0

    @property
    def stacks_written(self) -> int:
        """Full stacks that were ever written."""
        return self._ring.written // self.n_images

    @property
    def stacks_released(self) -> int:
        """Stacks of which the camera may overwrite every frame."""
        return self._released() // self.n_images
