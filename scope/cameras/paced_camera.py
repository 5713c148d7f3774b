"""Cameras without a device: they have frames when the clock says so."""

from collections.abc import Callable
from typing import Any, ClassVar

from numpy.typing import NDArray

from opticstream.scope.cameras.camera_base import CameraBase
from opticstream.scope.cameras.camera_setting import CameraSetting
from opticstream.scope.cameras.frame_schedule import FrameRate, FrameSchedule, UnixClock
from opticstream.scope.cameras.frame_sink import FrameSink

FRAMERATE = CameraSetting(30.0, 1.0, 10000.0)

_MOST_LATE_S = 0.1


class PacedCamera(CameraBase):
    """Base of the simulated cameras: settings that are numbers, and one frame a fetch, made in place, at their rate.

    Frames are numbered from ``first_number``. A camera that is asked for more frames than it can make has a lower
    rate, which ``framerate`` reads back; it loses none. ``framerate`` is the rate measured over the last second, and
    before there is one, the rate asked for.

    Args:
        clock: seconds since 1970 UTC; absent: the computer's.
    """

    ranges: ClassVar[dict[str, CameraSetting]] = {"framerate": FRAMERATE}
    """Of each setting."""
    settings: ClassVar[list[str]] = ["framerate"]

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        super().__init__()
        self._values = {name: self.ranges[name].default for name in self.settings}
        self._given_clock = clock
        self._clock: Callable[[], float] = clock or UnixClock()
        self._schedule = FrameSchedule(self._values["framerate"], _MOST_LATE_S)
        self._measured = FrameRate()
        self._number = 0

    def connect(self, video_buffer: FrameSink) -> None:
        """Start the clock."""
        self.check_attributes()
        self.video_buffer = video_buffer
        self._clock = self._given_clock or UnixClock()
        self._schedule = FrameSchedule(self._values["framerate"], _MOST_LATE_S)
        self._measured = FrameRate()
        self._number = self.first_number

    def fetch(self) -> None:
        """Make the next frame if it is due."""
        now = self._clock()
        if self.video_buffer is None or not self._schedule.due(now):
            return
        t, number = self._schedule.take(now), self._number
        self._number += 1
        self.advance(number, t)
        slot = self.video_buffer.next_slot()
        if slot is None:
            self.video_buffer.drop(number)
            self.report_queue_full()
            return
        self.draw(number, slot)
        self.video_buffer.write_timestamp(t, number)
        self._measured.add(t)
        self.report_frame_received(t)

    def advance(self, number: int, t: float) -> None:
        """Move what is seen on to frame ``number`` at time ``t``; called also when the frame will be dropped."""

    def draw(self, number: int, out: NDArray[Any]) -> None:
        """Fill ``out`` (height, width) with frame ``number``."""
        raise NotImplementedError(f"{type(self).__name__}.draw")

    def fetch_wait_s(self) -> float:
        """Return the seconds until the next frame is due."""
        return self._schedule.wait_s(self._clock())

    def release(self) -> None:
        """Do nothing: frames are made in the buffer."""

    def get_setting(self, name: str) -> str:
        """Return a setting; ``framerate`` as it was measured.

        Raises:
            KeyError: there is no such setting.
        """
        super().get_setting(name)
        measured = self._measured.per_second(self._clock()) if name == "framerate" else 0.0
        return f"{measured:.2f}" if measured else self.ranges[name].text(self._values[name])

    def set_setting(self, name: str, value: str) -> None:
        """Change a setting; it holds from the next frame on.

        Raises:
            KeyError: there is no such setting.
            BadSetting: (a ValueError) it cannot have that value.
        """
        super().set_setting(name, value)
        self._values[name] = self.ranges[name].parse(name, value)
        if name == "framerate":
            self._schedule.set_rate(self._values[name])
        self.setting_changed(name)

    def setting_changed(self, name: str) -> None:
        """Take note that ``name`` has a new value."""
