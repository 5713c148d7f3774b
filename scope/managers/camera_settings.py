"""How the camera is set, for those whose files say so."""

from abc import abstractmethod

from opticstream.scope.commands.camera import KeepCameraSettingsCommand
from opticstream.scope.ipc import register_ipc_command
from opticstream.scope.manager_process import ManagerProcessBase


class CameraSettingsKeeper(ManagerProcessBase):
    """Keeps what the camera's process says of its settings, also for a later life of its own."""

    @property
    def camera_settings(self) -> dict[str, str]:
        """Text of each setting by its name; empty before the camera is connected."""
        settings: dict[str, str] = self.kept.get("camera_settings", {})
        return settings

    @register_ipc_command(KeepCameraSettingsCommand)
    def keep_camera_settings(self, settings: dict[str, str]) -> None:
        """Let files say these settings, from the next frames on."""
        if settings != self.camera_settings:
            self.keep(camera_settings=settings)
            self._changed("camera settings")

    @abstractmethod
    def _changed(self, what: str) -> None:
        """Take note that something changed that files say."""
