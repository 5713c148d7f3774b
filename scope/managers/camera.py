"""The process that owns the camera."""

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from opticstream.core.errors import BadInput
from opticstream.scope.commands.camera import (
    GetCameraSettingCommand,
    KeepCameraSettingsCommand,
    SetCameraSettingCommand,
    SetSimulatedFocusCommand,
)
from opticstream.scope.commands.showing import UpdateCameraSettingCommand
from opticstream.scope.ipc import register_ipc_command
from opticstream.scope.manager_process import ManagerProcessBase
from opticstream.scope.scripts import register_script_command

if TYPE_CHECKING:
    from opticstream.scope.cameras import CameraBase

logger = logging.getLogger("opticstream.scope")

_LONGEST_WAIT_S = 30.0
_LOOK_S = 0.01
_RATE_S = 1.0
"""How often the rate that is measured is told, if it is another one."""


class CameraManager(ManagerProcessBase):
    """Fetches frames into the video buffer. Set ``camera`` before the scope starts; by default beads are simulated."""

    def __init__(self) -> None:
        super().__init__()
        self._camera: CameraBase | None = None
        self._connected = False
        self._stacks = 0
        self._rate = ""
        self._rate_at = 0.0
        self._focus_kept_at = 0.0
        self._focus_rows = 0

    @property
    def camera(self) -> "CameraBase":
        """The camera; simulated beads unless another one has been set."""
        if self._camera is None:
            from opticstream.scope.cameras import DummyCameraBeads

            self._camera = DummyCameraBeads()
        return self._camera

    @camera.setter
    def camera(self, camera: "CameraBase") -> None:
        self._camera = camera

    def setup(self) -> None:
        """Connect the camera as soon as its frames can be tracked.

        One that is not there leaves a scope without frames, and a warning.
        """
        from opticstream.scope.cameras import CameraHealth

        values = self.shared_values
        self.camera.health = CameraHealth(
            total_frames=values.camera_total_frames,
            consecutive_timeouts=values.camera_consecutive_timeouts,
            queue_full_events=values.camera_queue_full_events,
            last_frame_timestamp=values.camera_last_frame_timestamp,
        )
        self.camera.first_number = int(self.video_buffer.next_number)
        self._wait_for_tracking()
        self._connect()

    def _wait_for_tracking(self) -> None:
        """Wait until frames can be tracked: those of a faster start would overflow the buffer. Then go on anyway."""
        end = time.monotonic() + _LONGEST_WAIT_S
        while not (self.shared_values.tracking_ready.value or self.shared.quitting.is_set() or time.monotonic() > end):
            time.sleep(_LOOK_S)

    def _connect(self) -> None:
        from opticstream.scope.cameras.buffer_sink import BufferSink

        try:
            self.camera.connect(BufferSink(self.video_buffer))
            self._connected = True
            for name, value in self.kept.get("camera_settings", {}).items():
                self.camera[name] = value
            if "focus" in self.kept:
                self.set_simulated_focus(self.kept["focus"])
        except Exception as error:  # a driver raises what it likes
            self.warn(
                f"the camera {type(self.camera).__name__} cannot be connected", f"{type(error).__name__}: {error}"
            )
            return
        self._publish()

    def loop_wait_s(self) -> float:
        """Sleep until the camera has a frame."""
        return self.camera.fetch_wait_s() if self._connected else self.loop_interval_s

    def do_main_loop(self) -> None:
        """Fetch what the camera has; tell the video processor of each stack that is full."""
        if not self._connected:
            return
        self._see_focus()
        self.camera.fetch()
        self.shared_values.frames_dropped.value = self.video_buffer.frames_dropped
        stacks = int(self.video_buffer.stacks_written)
        if stacks != self._stacks:
            self._stacks = stacks
            self.shared.stack_ready.ring()
        if time.monotonic() >= self._rate_at:
            self._tell_rate()

    def _see_focus(self) -> None:
        """Show simulated beads from where the scope's focus motor is.

        Seen in its buffer, as by everybody: told by a command, which takes its time, frames would follow that were
        taken after the motor had said where it is, and show where it was.
        """
        motor = self.shared.focus_motor
        if motor is None or not hasattr(self.camera, "set_focus_offset"):
            return
        buffer = self.shared.hardware_buffers[motor]
        if buffer.written != self._focus_rows:
            self._focus_rows = buffer.written
            with suppress(BadInput):  # further away than beads can be shown from
                for row in buffer.newest(1):
                    self.camera.set_focus_offset(float(row[1]))

    def _tell_rate(self) -> None:
        self._rate_at = time.monotonic() + _RATE_S
        try:
            rate = str(self.camera["framerate"])
        except Exception:  # a driver raises what it likes; who asks for the setting is told so
            return
        if rate != self._rate:
            self._rate = rate
            self.send_ipc(UpdateCameraSettingCommand("framerate", rate))

    def cleanup(self) -> None:
        """Let the camera go."""
        if self._connected:
            self._connected = False
            self.camera.release()
            self.camera.disconnect()

    @register_ipc_command(GetCameraSettingCommand)
    def get_camera_setting(self, name: str) -> None:
        """Tell a setting of the camera."""
        self._told(name)

    def _told(self, name: str) -> dict[str, str]:
        """Tell a setting of the camera, and return it; nothing where it cannot be read."""
        try:
            value = str(self.camera[name])
        except KeyError as error:
            self.warn(f"the camera has no setting {name!r}", str(error))
            return {}
        except Exception as error:  # a driver raises what it likes
            self.warn(f"the camera's setting {name!r} cannot be read", f"{type(error).__name__}: {error}")
            return {}
        self.send_ipc(UpdateCameraSettingCommand(name, value))
        return {name: value}

    @register_ipc_command(SetCameraSettingCommand)
    @register_script_command(SetCameraSettingCommand)
    def set_camera_setting(self, name: str, value: str) -> None:
        """Change a setting of the camera, and tell all of them: one may change others."""
        try:
            self.camera[name] = value
        except Exception as error:  # a driver raises what it likes
            self.warn(f"the camera's setting {name!r} cannot be {value!r}", f"{type(error).__name__}: {error}")
        else:
            self.keep(camera_settings={**self.kept.get("camera_settings", {}), name: value})
        self._publish()

    @register_ipc_command(SetSimulatedFocusCommand)
    def set_simulated_focus(self, offset: float) -> None:
        """Move simulated beads against the focus; other cameras have a real one."""
        move: Any = getattr(self.camera, "set_focus_offset", None)
        if move is not None:
            move(offset)
            self.kept["focus"] = offset
            if time.monotonic() >= self._focus_kept_at:
                self._focus_kept_at = time.monotonic() + _RATE_S
                self.keep(focus=offset)

    def _publish(self) -> None:
        settings: dict[str, str] = {}
        for name in self.camera.settings:
            settings |= self._told(name)
        # As it was set, where it was: what is read back, such as a rate that is measured, may lag behind.
        settings |= {name: str(value) for name, value in self.kept.get("camera_settings", {}).items()}
        self.send_ipc(KeepCameraSettingsCommand(settings))
