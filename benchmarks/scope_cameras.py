"""What a frame of each camera without a device costs, and how exact the simulated one is.

Run as ``python benchmarks/scope_cameras.py [--small]``. CPU time of one thread, the median of the rounds, by a camera
that is asked for more than it can give. The predecessor's simulated camera took 28.8 ms for 5 fixed and 3 tethered
beads and 58.6 ms for 10 tethered ones on the same kind of machine.
"""

import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr
from _emit import emit as result

from opticstream.core.settings import load_settings
from opticstream.imaging.kernel_cache import use_kernel_cache
from opticstream.scope.cameras import CameraBase, make_camera

emit = partial(result, "scope_cameras")

_BUDGET_MS = 10.0
"""Of a frame at 100 frames per second."""
_BEADS = ((5, 3), (10, 0), (0, 10), (50, 0), (0, 50))
_REPLAYED = ((256, 512), (1024, 1280))


class OneSlot:
    """A buffer that always has room; cameras get the same frame again."""

    def __init__(self, camera: CameraBase) -> None:
        self.slot = np.empty((camera.height, camera.width), camera.dtype)
        self.frames = 0

    def next_slot(self) -> Any:
        """Return the one there is."""
        return self.slot

    def write_timestamp(self, t: float, number: int | None = None) -> None:
        """Count it."""
        self.frames += 1

    def write_image_and_timestamp(self, image: Any, t_unix_s: float, number: int | None = None) -> None:
        """Refuse what these cameras do not use."""
        raise NotImplementedError

    def drop(self, number: int | None = None) -> None:
        """Refuse what cannot happen."""
        raise NotImplementedError


class QuickClock:
    """Every fetch finds the next frame due."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return a time 50 ms after the last."""
        self.now += 0.05
        return self.now


def frame_ms(camera: CameraBase, frames: int, rounds: int) -> float:
    sink = OneSlot(camera)
    camera.connect(sink)
    camera["framerate"] = 30
    took = []
    for _ in range(rounds + 1):  # the first fills caches
        before, began = sink.frames, time.process_time()
        while sink.frames < before + frames:
            camera.fetch()
        took.append((time.process_time() - began) / (sink.frames - before) * 1000)
    camera.disconnect()
    return statistics.median(took[1:])


def report(case: str, milliseconds: float) -> None:
    emit(case, "CPU time of a frame", round(milliseconds, 3), "ms", ratio=milliseconds / _BUDGET_MS, against="100 fps")


def beads(frames: int, rounds: int) -> None:
    for backend in ("numba", "numpy"):
        for fixed, tethered in _BEADS:
            camera = make_camera("beads", backend=backend, clock=QuickClock())
            camera["fixed_n"], camera["tethered_n"] = fixed, tethered
            report(f"beads, {fixed} fixed and {tethered} tethered, {backend}", frame_ms(camera, frames, rounds))


def replay(frames: int, rounds: int) -> None:
    for height, width in _REPLAYED:
        images = np.random.default_rng(1).integers(0, 256, (40, height, width), np.uint8)
        with tempfile.TemporaryDirectory() as folder:
            tiff, array = Path(folder) / "a.tif", Path(folder) / "a.zarr"
            tifffile.imwrite(tiff, images, photometric="minisblack")
            zarr.create_array(array, data=images, chunks=(10, height, width))
            for way, path, preload in (
                ("in memory", tiff, 2**30), ("TIFF, streamed", tiff, 0), ("Zarr, streamed", array, 0)
            ):  # fmt: skip
                camera = make_camera(f"replay:{path}", preload_bytes=preload, clock=QuickClock())
                report(f"replay, {width} x {height}, {way}", frame_ms(camera, frames, rounds))


def main(frames: int, rounds: int) -> None:
    use_kernel_cache(load_settings().kernels)
    beads(frames, rounds)
    for name in ("noise", "fast-noise"):
        report(name, frame_ms(make_camera(name, clock=QuickClock()), frames, rounds))
    replay(frames, rounds)


if __name__ == "__main__":
    if "--small" in sys.argv[1:]:
        main(20, rounds=3)
    else:
        main(200, rounds=7)
