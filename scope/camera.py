"""Cameras under the name that programs written for the documented interface import."""

from opticstream.scope.cameras import (
    CameraBase,
    DummyCameraBeads,
    DummyCameraFastNoise,
    DummyCameraNoise,
    PythonMicroscopeCamera,
    ReplayCamera,
    make_camera,
)

__all__ = [
    "CameraBase",
    "DummyCameraBeads",
    "DummyCameraFastNoise",
    "DummyCameraNoise",
    "PythonMicroscopeCamera",
    "ReplayCamera",
    "make_camera",
]
