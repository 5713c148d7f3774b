"""Cameras that show noise, to find out what a scope can carry."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.cameras.camera_setting import CameraSetting
from opticstream.scope.cameras.paced_camera import PacedCamera

_KEPT = 10


class DummyCameraNoise(PacedCamera):
    """Random images of 512 x 256, uint8; another one each frame.

    Settings ``exposure`` and ``gain`` are kept and read back; they change nothing that is seen.
    """

    width, height, bits, dtype, nm_per_px = 512, 256, 8, np.uint8, 200.0
    ranges: ClassVar[dict[str, CameraSetting]] = {
        "framerate": CameraSetting(1000.0, 1.0, 10000.0),
        "exposure": CameraSetting(25000.0, 0.0, 1e7),
        "gain": CameraSetting(0.0, 0.0, 10.0),
    }
    settings: ClassVar[list[str]] = ["framerate", "exposure", "gain"]

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        super().__init__(clock)
        self._random = np.random.default_rng(1)

    def draw(self, number: int, out: NDArray[Any]) -> None:
        """Fill ``out`` with noise."""
        out[...] = self._image()

    def _image(self) -> NDArray[np.uint8]:
        size = self.height * self.width
        return np.frombuffer(self._random.bytes(size), np.uint8).reshape(self.height, self.width)


class DummyCameraFastNoise(DummyCameraNoise):
    """Ten random images of 1280 x 560, uint8, over and over: as fast as memory is copied."""

    width, height = 1280, 560

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        super().__init__(clock)
        self._kept: list[NDArray[np.uint8]] = []

    def draw(self, number: int, out: NDArray[Any]) -> None:
        """Fill ``out`` with one of the ten images."""
        if not self._kept:  # not before it runs: a camera is pickled to its process
            self._kept = [self._image() for _ in range(_KEPT)]
        out[...] = self._kept[number % _KEPT]
