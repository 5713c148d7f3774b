"""What every camera is to the scope."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from opticstream.core.errors import BadInput
from opticstream.scope.cameras.camera_health import CameraHealth
from opticstream.scope.cameras.camera_setting import unknown_setting
from opticstream.scope.cameras.frame_sink import FrameSink

_DTYPES = ("uint8", "uint16", "uint32", "uint64")
_ATTRIBUTES = ("width", "height", "bits", "dtype", "nm_per_px", "settings")


class BadCamera(BadInput, ValueError):
    """Raised when what a camera says of itself cannot be."""


class CameraBase(ABC):
    """A camera of a scope.

    A class of one's own sets the attributes below and defines the abstract methods::

        class MyCamera(CameraBase):
            width, height, bits, dtype, nm_per_px = 1280, 1024, 8, np.uint8, 5000.0
            settings = ["framerate", "exposure"]

    An instance may have attributes of its own instead; they count. A camera is pickled to the process it runs in
    before ``connect``, so the device is opened there and not in ``__init__``.

    Raises:
        NotImplementedError: an attribute is missing.
        BadCamera: (a ValueError) an attribute cannot be what it is.
    """

    width: int
    """Pixels of a row."""
    height: int
    """Rows."""
    bits: int
    """Bits of a pixel that carry light; no more than ``dtype`` has."""
    dtype: DTypeLike
    """uint8, uint16, uint32 or uint64."""
    nm_per_px: float
    """Edge of a pixel on the sensor or in the sample, nm; what it is divided by is the scope's magnification."""
    settings: ClassVar[list[str]] = []
    """Names; ``framerate`` is one of them."""
    first_number: int = 0
    """Number of the first frame, for cameras that number theirs; whoever starts a camera again sets it."""

    def __init__(self) -> None:
        self.health = CameraHealth()
        self.video_buffer: FrameSink | None = None
        self.check_attributes()

    def check_attributes(self) -> None:
        """Check what the camera says of itself; called again before it is connected.

        Raises:
            NotImplementedError: an attribute is missing.
            BadCamera: one cannot be what it is.
        """
        kind = type(self).__name__
        missing = [name for name in _ATTRIBUTES if getattr(self, name, None) is None]
        if missing or not self.settings:
            raise NotImplementedError(f"{kind}: expected attributes {', '.join(missing or ['settings'])}")
        for name in ("width", "height", "bits"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise BadCamera(f"{kind}.{name}", found=repr(value), expected="a whole number above 0")
        try:
            dtype = np.dtype(self.dtype)
        except TypeError:
            dtype = np.dtype("V")
        if dtype.name not in _DTYPES:
            raise BadCamera(f"{kind}.dtype", found=str(self.dtype), expected=f"one of {', '.join(_DTYPES)}")
        if self.bits > 8 * dtype.itemsize:
            raise BadCamera(f"{kind}.bits", found=str(self.bits), expected=f"at most those of {dtype.name}")
        try:
            positive = float(self.nm_per_px) > 0 and np.isfinite(self.nm_per_px)
        except (TypeError, ValueError):
            positive = False
        if not positive:
            raise BadCamera(f"{kind}.nm_per_px", found=repr(self.nm_per_px), expected="nm, more than 0")
        if "framerate" not in self.settings:
            raise BadCamera(f"{kind}.settings", found=repr(self.settings), expected="a list with 'framerate'")

    @abstractmethod
    def connect(self, video_buffer: FrameSink) -> None:
        """Open the device; its frames go to ``video_buffer`` (keep it as ``self.video_buffer``)."""

    @abstractmethod
    def fetch(self) -> None:
        """Put the frames that are there into the buffer and return; called again and again."""

    @abstractmethod
    def release(self) -> None:
        """Let go of the device's own buffers; the frames in them have been copied."""

    @abstractmethod
    def get_setting(self, name: str) -> str:
        """Return a setting as text; the base class raises KeyError for a name that is not in ``settings``."""
        self._known(name)
        return ""

    @abstractmethod
    def set_setting(self, name: str, value: str) -> None:
        """Change a setting; the base class raises KeyError for a name that is not in ``settings``."""
        self._known(name)

    def _known(self, name: str) -> None:
        if name not in self.settings:
            raise unknown_setting(name, self.settings)

    def __getitem__(self, name: str) -> str:
        self._known(name)
        return self.get_setting(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._known(name)
        self.set_setting(name, str(value))

    def disconnect(self) -> None:  # noqa: B027 (most cameras have nothing to do)
        """Close the device; called once when the scope stops, whether or not it was connected."""

    def fetch_wait_s(self) -> float:
        """Return how long it is not worth calling :meth:`fetch`, s; 0: call it now."""
        return 0.002

    def put(self, image: NDArray[Any], t: float, number: int | None = None) -> bool:
        """Copy a frame into the buffer, or drop it when that is full, and count either.

        Args:
            image: (height, width) of the camera's dtype.
            t: when it was taken, seconds since 1970 UTC.
            number: of the frame, larger than all before; absent: the next one. A dropped frame uses up its number.

        Returns:
            Whether there was room.

        Raises:
            BadCamera: the camera is not connected, or the frame is not the size or type the camera said.
        """
        if self.video_buffer is None:
            raise BadCamera(type(self).__name__, found="no buffer", expected="a camera that is connected")
        if image.shape != (self.height, self.width) or image.dtype != np.dtype(self.dtype):
            expected = f"({self.height}, {self.width}) of {np.dtype(self.dtype).name}"
            raise BadCamera(
                f"frame of {type(self).__name__}", found=f"{image.shape} of {image.dtype}", expected=expected
            )
        slot = self.video_buffer.next_slot()
        if slot is None:
            self.video_buffer.drop(number)
            self.report_queue_full()
            return False
        slot[...] = image
        self.video_buffer.write_timestamp(t, number)
        self.report_frame_received(t)
        return True

    def report_frame_received(self, timestamp: float | None = None) -> None:
        """Count a frame; ``timestamp`` is when it was taken, seconds since 1970 UTC."""
        self.health.total_frames.value += 1
        self.health.consecutive_timeouts.value = 0
        if timestamp is not None:
            self.health.last_frame_timestamp.value = timestamp

    def report_timeout(self) -> None:
        """Count that a frame was waited for in vain."""
        self.health.consecutive_timeouts.value += 1

    def report_queue_full(self) -> None:
        """Count a frame that found the buffer full."""
        self.health.queue_full_events.value += 1

    def reset_health_counters(self) -> None:
        """Start counting from 0."""
        self.health.reset()
