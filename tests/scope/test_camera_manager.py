"""The process that owns the camera, as its commands find it."""

from typing import Any

from opticstream.scope.cameras import DummyCameraNoise
from opticstream.scope.commands.showing import ShowWarningCommand, UpdateCameraSettingCommand
from opticstream.scope.ipc import Command
from opticstream.scope.managers.camera import CameraManager


class _Deaf(DummyCameraNoise):
    def get_setting(self, name: str) -> str:
        if name == "exposure":
            raise OSError("the sensor does not answer")
        return super().get_setting(name)


def _manager(told: list[Command]) -> Any:
    manager: Any = CameraManager()
    manager.camera = _Deaf()
    manager.send_ipc = told.append
    return manager


def test_a_setting_that_the_driver_cannot_read_costs_no_process() -> None:
    told: list[Command] = []
    _manager(told).set_camera_setting("gain", "2")
    warnings = [one.details for one in told if isinstance(one, ShowWarningCommand)]
    assert warnings == ["OSError: the sensor does not answer"]
    shown = {one.name: one.value for one in told if isinstance(one, UpdateCameraSettingCommand)}
    assert shown.keys() == {"framerate", "gain"}
