"""Checks of a camera, each against the real thing in its own process."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from opticstream.scope.cameras import CameraBase
from opticstream.scope.commands.camera import GetCameraSettingCommand
from opticstream.scope.testing.bench import Bench, check_picklable
from opticstream.scope.testing.not_conformant import NotConformant

_FRAMES = 20
_AHEAD_S = 1.0


class CameraBench(Bench):
    """A scope with a camera; each method is a check and raises :class:`NotConformant`.

    Args:
        make: makes the camera: its class, or a function.
        folder: see :class:`Bench`.
        patience_s: see :class:`Bench`.

    Raises:
        NotConformant: what is made is no camera, or cannot be pickled.
        BadCamera: what it says of itself cannot be.
    """

    def __init__(self, make: Callable[[], CameraBase], *, folder: Path | None = None, patience_s: float = 60.0) -> None:
        camera = make()
        what = type(camera).__name__
        if not isinstance(camera, CameraBase):
            raise NotConformant(what, found=f"a {what}", expected="a CameraBase")
        camera.check_attributes()
        check_picklable(camera, what)
        super().__init__(what, folder, patience_s, camera)
        self.camera = camera

    def sends_frames(self, least: int = _FRAMES) -> None:
        """Check that frames arrive, of its size, with numbers and times that rise, and that times are those of now."""
        buffer = self.scope.video_buffer
        first = buffer.frames_written
        seen: list[tuple[int, float]] = []

        def enough() -> bool:
            if buffer.frames_written > first:
                image = buffer.peak_image()
                seen.append((image.number, image.timestamp))
            return bool(buffer.frames_written >= first + least and len(set(seen)) > 1)

        self.until(enough, f"{least} frames")
        frames = np.array(list(dict.fromkeys(seen)), np.float64)
        steps = np.diff(frames, axis=0)
        if (steps <= 0).any():
            raise self.wrong("frame numbers or times that do not rise", "each frame later than the one before")
        if not np.isfinite(frames).all() or frames[-1, 1] > time.time() + _AHEAD_S:
            raise self.wrong(f"a frame of {frames[-1, 1]} s", "times of now, s since 1970 (time.time())")

    def tells_settings(self) -> None:
        """Check that each setting can be read while frames come, without complaint."""
        self.scope.values.clear()
        for name in self.camera.settings:
            self.scope.send(GetCameraSettingCommand(name))
            self.until(partial(self.scope.values.__contains__, f"camera {name}"), f"the value of {name!r}")
            value = self.scope.values[f"camera {name}"]
            if not isinstance(value, str) or not value:
                raise self.wrong(f"{name} = {value!r}", "a text")
        self.no_problem("settings that can be read")

    def survives_a_kill(self) -> None:
        """Check that a process that was killed is started anew, and the numbers of its frames go on."""
        before = self.scope.video_buffer.next_number
        self.restart(self.scope.camera_manager)
        self.sends_frames()
        if self.scope.video_buffer.peak_image().number < before:
            raise self.wrong("numbers that begin anew", f"numbers from {before} on")
        self.no_problem("a camera that is connected again without complaint")

    def lets_go(self) -> None:
        """Check that the process ends by itself with the scope: `release` and `disconnect` returned, without error."""
        self.ended_well(self.scope.camera_manager)


def check_camera(make: Callable[[], CameraBase], *, folder: Path | None = None, patience_s: float = 60.0) -> None:
    """Run a camera in a scope and check all that a scope expects of it.

    Args:
        make: makes the camera: its class, or a function.
        folder: where the scope saves; absent: a temporary one.
        patience_s: how long anything is waited for.

    Raises:
        NotConformant: (an AssertionError) the first thing that is not as it should be.
        BadCamera: what it says of itself cannot be.
    """
    with CameraBench(make, folder=folder, patience_s=patience_s) as bench:
        bench.sends_frames()
        bench.tells_settings()
        bench.survives_a_kill()
        bench.lets_go()
