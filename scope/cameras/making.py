"""Cameras by name."""

import importlib
from pathlib import Path
from typing import Any

from opticstream.core.errors import BadInput
from opticstream.scope.cameras.camera_base import CameraBase
from opticstream.scope.cameras.dummy_camera_beads import DummyCameraBeads
from opticstream.scope.cameras.noise_cameras import DummyCameraFastNoise, DummyCameraNoise
from opticstream.scope.cameras.replay_camera import ReplayCamera

CAMERAS: dict[str, type[CameraBase]] = {
    "beads": DummyCameraBeads,
    "noise": DummyCameraNoise,
    "fast-noise": DummyCameraFastNoise,
}
"""Those that need no file and no device."""

_REPLAY = "replay:"


def make_camera(name_or_spec: str, **options: Any) -> CameraBase:
    """Return a camera that is not connected yet.

    Args:
        name_or_spec: ``beads``, ``noise``, ``fast-noise``, ``replay:FILE``, or ``package.module:Class`` for a
            camera of one's own.
        options: for the camera's constructor.

    Raises:
        BadInput: no such camera, it cannot be imported, it is no :class:`CameraBase`, or it refuses the options.
    """
    if name_or_spec.startswith(_REPLAY) and len(name_or_spec) > len(_REPLAY):
        return ReplayCamera(Path(name_or_spec[len(_REPLAY) :]), **options)
    kind = CAMERAS.get(name_or_spec)
    if kind is None:
        kind = _load(name_or_spec)
    try:
        return kind(**options)
    except TypeError as error:
        raise BadInput(f"camera {name_or_spec}", found=str(error), expected="options of its constructor") from None


def _load(spec: str) -> type[CameraBase]:
    module, separator, attribute = spec.partition(":")
    if not (separator and module and attribute):
        raise BadInput(
            "camera", found=repr(spec), expected=f"{', '.join(CAMERAS)}, or package.module:Class",
            action=f"A recorded video is {_REPLAY}FILE; the command has an option for it, --replay FILE.",
        )  # fmt: skip
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever a lab's module raises when it is imported
        text = f"{spec} ({type(error).__name__}: {error})"
        raise BadInput("camera", found=text, expected="package.module:Class that can be imported here") from None
    if not (isinstance(found, type) and issubclass(found, CameraBase)):
        raise BadInput("camera", found=f"{spec}, no camera", expected="a subclass of CameraBase")
    return found
