"""How the camera is set, for those whose files say so."""

import time
from abc import abstractmethod

from opticstream.scope.commands.camera import KeepCameraSettingsCommand
from opticstream.scope.ipc import register_ipc_command
from opticstream.scope.manager_process import ManagerProcessBase

_LATE_S = 5.0
"""Frames do not wait longer for what the camera's process says before the first of them."""


class CameraSettingsKeeper(ManagerProcessBase):
    """Keeps what the camera's process says of its settings, also for a later life of its own."""

    _frames_since: float | None = None

    @property
    def camera_settings(self) -> dict[str, str]:
        """Text of each setting by its name; empty before the camera is connected."""
        settings: dict[str, str] = self.kept.get("camera_settings", {})
        return settings

    def _camera_is_known(self) -> bool:
        """Say whether frames may be given out: those before the camera's settings would have a file of their own.

        Called when there are frames. They come through shared memory, and overtake what was said before them.
        """
        if "camera_settings" in self.kept:
            return True
        self._frames_since = self._frames_since or time.monotonic()
        return time.monotonic() - self._frames_since > _LATE_S

    @register_ipc_command(KeepCameraSettingsCommand)
    def keep_camera_settings(self, settings: dict[str, str]) -> None:
        """Let files say these settings, from the next frames on."""
        if settings != self.kept.get("camera_settings"):
            self.keep(camera_settings=settings)
            self._changed("camera settings")

    @abstractmethod
    def _changed(self, what: str) -> None:
        """Take note that something changed that files say."""
