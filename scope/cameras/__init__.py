"""Cameras of a scope. Importing this imports neither numba nor scipy nor readers of files."""

from typing import TYPE_CHECKING

from opticstream.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from opticstream.scope.cameras.camera_base import BadCamera, CameraBase
    from opticstream.scope.cameras.camera_health import CameraHealth
    from opticstream.scope.cameras.camera_setting import BadSetting, UnknownSetting
    from opticstream.scope.cameras.dummy_camera_beads import DummyCameraBeads
    from opticstream.scope.cameras.frame_sink import FrameSink
    from opticstream.scope.cameras.ground_truth import TRUTH_DTYPE, GroundTruth
    from opticstream.scope.cameras.making import CAMERAS, make_camera
    from opticstream.scope.cameras.noise_cameras import DummyCameraFastNoise, DummyCameraNoise
    from opticstream.scope.cameras.python_microscope_camera import PythonMicroscopeCamera
    from opticstream.scope.cameras.replay_camera import ReplayCamera
    from opticstream.scope.cameras.truth_file import TruthFile, read_truth

__all__ = [
    "CAMERAS",
    "TRUTH_DTYPE",
    "BadCamera",
    "BadSetting",
    "CameraBase",
    "CameraHealth",
    "DummyCameraBeads",
    "DummyCameraFastNoise",
    "DummyCameraNoise",
    "FrameSink",
    "GroundTruth",
    "PythonMicroscopeCamera",
    "ReplayCamera",
    "TruthFile",
    "UnknownSetting",
    "make_camera",
    "read_truth",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "BadCamera": "opticstream.scope.cameras.camera_base",
        "BadSetting": "opticstream.scope.cameras.camera_setting",
        "CAMERAS": "opticstream.scope.cameras.making",
        "CameraBase": "opticstream.scope.cameras.camera_base",
        "CameraHealth": "opticstream.scope.cameras.camera_health",
        "DummyCameraBeads": "opticstream.scope.cameras.dummy_camera_beads",
        "DummyCameraFastNoise": "opticstream.scope.cameras.noise_cameras",
        "DummyCameraNoise": "opticstream.scope.cameras.noise_cameras",
        "FrameSink": "opticstream.scope.cameras.frame_sink",
        "GroundTruth": "opticstream.scope.cameras.ground_truth",
        "PythonMicroscopeCamera": "opticstream.scope.cameras.python_microscope_camera",
        "ReplayCamera": "opticstream.scope.cameras.replay_camera",
        "TRUTH_DTYPE": "opticstream.scope.cameras.ground_truth",
        "TruthFile": "opticstream.scope.cameras.truth_file",
        "UnknownSetting": "opticstream.scope.cameras.camera_setting",
        "make_camera": "opticstream.scope.cameras.making",
        "read_truth": "opticstream.scope.cameras.truth_file",
    },
)
