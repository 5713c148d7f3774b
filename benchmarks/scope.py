"""How a whole scope does: frames lost, latency, CPU, commands, start and stop.

Run as ``python benchmarks/scope.py [--seconds 60] [--only live,simulated,idle,commands,life]``. The recordings that
are replayed are made first, of simulated beads. Wall times (latency, round trip, start, stop) need a quiet machine
and stand beside the load while they were measured; CPU is of all processes together, the benchmark's own polling
taken off. What the tracker alone does says ``scope_tracker.py``, what a camera costs ``scope_cameras.py``;
``docs/engineering/scope-processes.md`` explains the figures.
"""

import argparse
import csv
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from _emit import emit as result
from _scope_family import Answered, Echo, Ping, Spent, running, spent

from opticstream.core.settings import load_settings
from opticstream.imaging.kernel_cache import use_kernel_cache
from opticstream.scope import MagScope, MagScopeSettings
from opticstream.scope.acquisition import Acquisition
from opticstream.scope.cameras import CameraBase, DummyCameraBeads, ReplayCamera
from opticstream.scope.simulated_zlut import simulated_zlut
from opticstream.scope.tracking import TrackingOptions, warm_tracker

emit = partial(result, "scope")

_ROI = 50
_SETTINGS = {
    "ROI": _ROI,
    "video buffer n images": 10,
    "video buffer n stacks": 20,
    "video processors n": 2,
    "tracks max datapoints": 200_000,
}
_LIVE = ((512, 256, 10, 100.0), (1280, 1024, 100, 30.0))
_RECORDED_FRAMES = 100
_SETTLE_S = 3.0
_POLL_S = 0.002
_PARTS = ("live", "simulated", "idle", "commands", "life")


class Recorded:
    """A sink that keeps frames of a camera, which draws them as fast as it is asked."""

    def __init__(self, camera: CameraBase, frames: int) -> None:
        self.images = np.empty((frames, camera.height, camera.width), camera.dtype)
        self.count = 0

    def next_slot(self) -> Any:
        """Return the place of the next frame."""
        return self.images[self.count]

    def write_timestamp(self, t: float, number: int | None = None) -> None:
        """Go on to the next."""
        self.count += 1

    def write_image_and_timestamp(self, image: Any, t_unix_s: float, number: int | None = None) -> None:
        """Refuse what this camera does not use."""
        raise NotImplementedError

    def drop(self, number: int | None = None) -> None:
        """Refuse what cannot happen."""
        raise NotImplementedError


def record(folder: Path, width: int, height: int, beads: int, rate: float) -> tuple[Path, Path]:
    """Write a recording of simulated beads, half of them tethered, and where they are on average."""
    ticks = iter(np.arange(1, 10 * _RECORDED_FRAMES) / rate)
    camera = DummyCameraBeads(width=width, height=height, clock=lambda: float(next(ticks)))
    camera["framerate"], camera["fixed_n"], camera["tethered_n"] = rate, beads - beads // 2, beads // 2
    sink = Recorded(camera, _RECORDED_FRAMES)
    camera.connect(sink)
    while sink.count < _RECORDED_FRAMES:
        camera.fetch()
    truth = camera.truth()
    camera.disconnect()
    frames, places = folder / f"{beads} beads.tif", folder / f"{beads} beads.csv"
    tifffile.imwrite(frames, sink.images, photometric="minisblack")
    with places.open("w", newline="") as file:
        rows = csv.writer(file)
        for bead in range(beads):
            own = truth[truth["bead"] == bead]
            rows.writerow([own["x_px"].mean(), own["y_px"].mean()])
    return frames, places


def make(kernels: Path, camera: CameraBase, beads: str | None, save: Path | None, on: bool = True) -> Answered:
    scope = Answered(name="benchmark", settings=MagScopeSettings(_SETTINGS))
    scope.kernel_cache, scope.first_beads = kernels, beads
    scope.camera_manager.camera = camera
    scope.begin_with(Acquisition(on, None if save is None else str(save), save is not None))
    return scope


class Watch(threading.Thread):
    """Sees when rows of tracks appear, and how old their frames are then."""

    def __init__(self, scope: MagScope) -> None:
        super().__init__(name="watch")
        self._scope, self._end = scope, threading.Event()
        self.oldest: list[float] = []
        self.newest: list[float] = []
        """Age of the first and last frame of what appeared at once, s."""
        self.cpu = 0.0
        """Seconds of this thread, which are none of the scope's."""

    def run(self) -> None:
        """Look every 2 ms."""
        tracks = self._scope.tracks_buffer
        seen = tracks.written
        while not self._end.wait(_POLL_S):
            written = tracks.written
            if written != seen:
                now, times = time.time(), tracks.newest(written - seen)[:, 0]
                self.oldest.append(now - times[0])
                self.newest.append(now - times[-1])
                seen = written
            self.cpu = time.thread_time()

    def end(self) -> None:
        """Stop looking."""
        self._end.set()
        self.join()


def percent(case: str, before: Spent, after: Spent, not_ours: float = 0.0) -> dict[str, float]:
    """Emit the CPU of every process and of all; return wakes per second."""
    cpu, wakes = after.since(before)
    cpu["parent"] -= not_ours / (after.at - before.at) * 100
    for name, used in cpu.items():
        emit(case, f"CPU, {name}", round(used, 2), "% of a core")
    emit(case, "CPU, all processes", round(sum(cpu.values()), 2), "% of a core")
    return wakes


def load(case: str) -> None:
    if hasattr(os, "getloadavg"):
        emit(case, "load of the machine", round(os.getloadavg()[0], 2), "processes")


def run_live(case: str, scope: Answered, seconds: float, rate: float) -> None:
    """Let it settle, then watch it for ``seconds``."""
    began = time.perf_counter()
    with running(scope):
        emit(case, "start until up", round(time.perf_counter() - began, 2), "s")
        _wait_for_tracks(scope)
        time.sleep(_SETTLE_S)
        watch, values, before = Watch(scope), scope.shared_values, spent(scope)
        frames, tracked = scope.video_buffer.frames_written, values.frames_tracked.value
        watch.start()
        time.sleep(seconds)
        after = spent(scope)
        frames, tracked = scope.video_buffer.frames_written - frames, values.frames_tracked.value - tracked
        watch.end()
        backlog = scope.video_buffer.get_unread_stack_count()
        lost = int(values.frames_dropped.value + values.frames_purged.value + values.frames_skipped.value)
        problems = len(scope.problems)
    took = after.at - before.at
    emit(case, "frames lost since the start", lost, "frames")
    emit(case, "beads", len(scope.beads), "")
    emit(case, "problems told", problems, "")
    emit(
        case, "frames from the camera", round(frames / took, 2), "frames/s", ratio=frames / took / rate, against="asked"
    )
    emit(case, "frames tracked", round(tracked / took, 2), "frames/s", ratio=tracked / took / rate, against="asked")
    emit(case, "stacks not handed on at the end", backlog, "stacks")
    for what, ages in (("last", watch.newest), ("first", watch.oldest)):
        for name, part in (("p50", 0.5), ("p95", 0.95)):
            age = float(np.quantile(ages, part)) * 1000
            emit(case, f"latency of a stack's {what} frame, {name}", round(age, 2), "ms")
    percent(case, before, after, watch.cpu)
    load(case)


def _wait_for_tracks(scope: MagScope) -> None:
    end = time.monotonic() + 60
    while not scope.shared_values.frames_tracked.value:
        if time.monotonic() > end:
            raise RuntimeError(f"nothing was tracked: {scope.status()}")
        time.sleep(0.05)


def live(folder: Path, kernels: Path, seconds: float) -> None:
    """Replay recordings: the camera costs next to nothing."""
    options = TrackingOptions.of()
    zlut = folder / "zlut.txt"
    simulated_zlut(options, _ROI, DummyCameraBeads.nm_per_px).save(zlut)
    for width, height, beads, rate in _LIVE:
        frames, places = record(folder, width, height, beads, rate)
        case = f"replay, {width} x {height}, {beads} beads, {rate:g} fps"
        scope = make(kernels, ReplayCamera(frames, rate), str(places), folder / case)
        (folder / case).mkdir()
        scope.video_processor_manager.tracking_options = options
        scope.video_processor_manager.zlut_path = str(zlut)
        run_live(case, scope, seconds, rate)


def simulated(folder: Path, kernels: Path, seconds: float) -> None:
    """Let the camera draw its beads meanwhile."""
    camera = DummyCameraBeads()
    settings: Mapping[str, float] = {"framerate": 100, "fixed_n": 5, "tethered_n": 5}
    for name, value in settings.items():
        camera[name] = value
    run_live("simulated, 512 x 256, 10 beads, 100 fps", make(kernels, camera, "auto", None), seconds, 100.0)


def idle(folder: Path, kernels: Path, seconds: float) -> None:
    """Nothing to do: a frame a second, which nobody wants."""
    camera = DummyCameraBeads()
    camera["framerate"] = 1
    scope = make(kernels, camera, None, None, on=False)
    scope.add_hardware(Echo())
    with running(scope):
        time.sleep(_SETTLE_S)
        before = spent(scope)
        time.sleep(seconds)
        wakes = percent("idle", before, spent(scope))
    for name, often in wakes.items():
        if name != "parent":
            emit("idle", f"wakes, {name}", round(often, 1), "/s")
    load("idle")


def commands(folder: Path, kernels: Path, seconds: float) -> None:
    """Ask a device that answers at once, one question at a time; the scope is idle otherwise, or tracks."""
    for case, rate, on in (("round trip, idle", 1, False), ("round trip, tracking 8 beads at 100 fps", 100, True)):
        camera = DummyCameraBeads()
        camera["framerate"] = rate
        scope = make(kernels, camera, "auto" if on else None, None, on=on)
        scope.add_hardware(Echo())
        with running(scope):
            time.sleep(_SETTLE_S)
            before = spent(scope)
            for _ in range(1000):
                scope.answered.clear()
                scope.send(Ping(time.perf_counter()))
                scope.answered.wait(1.0)
                time.sleep(0.002)
            cpu, _ = (after := spent(scope)).since(before)
        for name, part in (("p50", 0.5), ("p95", 0.95), ("longest", 1.0)):
            emit(case, name, round(float(np.quantile(scope.trips, part)) * 1000, 3), "ms")
        emit(case, "answers", len(scope.trips), "of 1000")
        if not on:
            used = (cpu["parent"] + cpu["Echo"]) / 100 * (after.at - before.at)
            emit(case, "CPU of a round trip, the benchmark's part included", round(used, 3), "ms")
        load(case)


def life(folder: Path, kernels: Path, seconds: float) -> None:
    """Start and stop while it tracks and saves."""
    starts, stops, used = [], [], []
    for _ in range(5):
        scope = make(kernels, DummyCameraBeads(), "auto", folder)
        began = time.perf_counter()
        with running(scope):
            starts.append(time.perf_counter() - began)
            born = spent(scope)
            used.append(sum(born.cpu.values()) - born.cpu["parent"])
            _wait_for_tracks(scope)
            began = time.perf_counter()
            scope.stop()
            stops.append(time.perf_counter() - began)
    for name, took in (("start until up", starts), ("stop", stops)):
        emit("life", f"{name}, median of 5", round(statistics.median(took), 3), "s")
        emit("life", f"{name}, longest of 5", round(max(took), 3), "s")
    emit("life", "CPU of all processes until up, median of 5", round(statistics.median(used), 2), "s")
    load("life")


def main(seconds: float, parts: list[str]) -> None:
    kernels = load_settings().kernels
    use_kernel_cache(kernels)
    warm_tracker(kernels)
    work = {"live": live, "simulated": simulated, "idle": idle, "commands": commands, "life": life}
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            work[part](Path(folder), kernels, seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each measurement; 15 for trying")
    parser.add_argument("--only", default=",".join(_PARTS), help="some of " + ", ".join(_PARTS))
    asked = parser.parse_args()
    main(asked.seconds, asked.only.split(","))
