"""What a lab runs on its own hardware managers and cameras, to see that a scope can use them."""

from typing import TYPE_CHECKING

from opticstream.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from opticstream.scope.testing.camera_bench import CameraBench, check_camera
    from opticstream.scope.testing.camera_conformance import CameraConformance
    from opticstream.scope.testing.hardware_bench import HardwareBench, check_hardware
    from opticstream.scope.testing.hardware_conformance import HardwareConformance
    from opticstream.scope.testing.not_conformant import NotConformant

__all__ = [
    "CameraBench",
    "CameraConformance",
    "HardwareBench",
    "HardwareConformance",
    "NotConformant",
    "check_camera",
    "check_hardware",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "CameraBench": "opticstream.scope.testing.camera_bench",
        "CameraConformance": "opticstream.scope.testing.camera_conformance",
        "HardwareBench": "opticstream.scope.testing.hardware_bench",
        "HardwareConformance": "opticstream.scope.testing.hardware_conformance",
        "NotConformant": "opticstream.scope.testing.not_conformant",
        "check_camera": "opticstream.scope.testing.camera_bench",
        "check_hardware": "opticstream.scope.testing.hardware_bench",
    },
)
