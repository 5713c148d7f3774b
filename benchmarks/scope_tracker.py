"""How fast beads are tracked, and how well, against magtrack on the same images.

Run as ``python benchmarks/scope_tracker.py [--small]``. Trackers take turns in one process; speed is bead-frames per
CPU second on one thread, the median of the rounds, and ratios are within a round. Scaling is the wall time of one
thread over that of two, the best of many short turns each: on a busy machine it says too little. The CPU times beside
it are what the same work takes of each core, and hold there too. Errors are against the simulation, and differences against magtrack.
"""

import statistics
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from _against import cpu
from _emit import emit as result

from opticstream.core.settings import load_settings
from opticstream.scope.bead_image import BeadImage, expose
from opticstream.scope.tracking import Tracker, TrackingOptions, ZLut, warm_tracker, zlut_from_sweep
from opticstream.scope.tracking.options import Mode

emit = partial(result, "scope_tracker")

_AGAINST = "magtrack"
_STEP_NM = 100.0
_CASES = ((50, 200.0), (64, 100.0))


def simulated(bead: BeadImage, roi: int, number: int) -> tuple[Any, Any]:
    random = np.random.default_rng(1)
    places = random.uniform(-1.5, 1.5, (number, 2)) + (roi - 1) / 2
    truth = np.column_stack([places, random.uniform(-3500, 3500, number)])
    return expose(bead.stack(truth, roi), random), truth


def table(bead: BeadImage, roi: int, mode: Mode, step_nm: float) -> ZLut:
    heights = np.arange(-5000.0, 5000.1, step_nm)
    middle = np.full(len(heights), roi / 2)  # the middle of a pixel, where rounded bins do best
    profiles = Tracker(TrackingOptions.of(mode)).track(
        expose(bead.stack(np.column_stack([middle, middle, heights]), roi))
    ).profiles  # fmt: skip
    binning = "linear" if mode == "linear_bins" else "rounded"
    return zlut_from_sweep(np.arange(len(heights)), heights, profiles, binning=binning)


def theirs(crops: Any, zlut: ZLut) -> Callable[[], tuple[Any, ...]]:
    """Return magtrack with the scope's default options; it wants float64, with images along the last axis."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no GPU here
        import magtrack
    stack, reference = crops.transpose(1, 2, 0), np.vstack([zlut.z_nm, zlut.profiles])

    def work() -> tuple[Any, ...]:
        images = stack.astype(np.float64)
        x, y = magtrack.auto_conv(images, *magtrack.center_of_mass(images))
        for _ in range(5):
            x, y = magtrack.auto_conv_multiline_sub_pixel(images, x, y, line_ratio=0.1, n_local=5)
        profiles = magtrack.radial_profile(images, x, y)
        return x, y, magtrack.lookup_z(profiles, reference, n_local=7), profiles.T

    return work


def wall(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def speeds(case: str, crops: Any, lut: ZLut, linear: ZLut, rounds: int, repeat: int) -> None:
    number = len(crops)
    own, other = Tracker(zlut=lut, backend="numba"), theirs(crops, lut)
    plain = Tracker(zlut=lut, backend="numpy")
    finer = Tracker(TrackingOptions.of("linear_bins"), linear, backend="numba")
    ways: dict[str, tuple[Callable[[], object], int]] = {
        "kernel": (lambda: own.track(crops), repeat),
        "kernel, linear_bins": (lambda: finer.track(crops), repeat),
        "NumPy": (lambda: plain.track(crops), 2),
        "magtrack": (other, 1),
    }
    seen: dict[str, list[float]] = {name: [] for name in ways}
    for work, _ in ways.values():
        work()
    for _ in range(rounds):
        for name, (work, times) in ways.items():
            took = cpu(lambda work=work, times=times: [work() for _ in range(times)])
            seen[name].append(number * times / took)
    for name, rates in seen.items():
        ratio = statistics.median(a / b for a, b in zip(rates, seen["magtrack"], strict=True))
        rate = round(statistics.median(rates))
        if name == "magtrack":
            emit(case, name, rate, "bead-frames/CPU-s")
        else:
            emit(case, name, rate, "bead-frames/CPU-s", ratio=ratio, against=_AGAINST)


def scaling(case: str, crops: Any, lut: ZLut, rounds: int) -> None:
    """Short turns and the best of each: what else runs on the machine only ever slows."""
    alone = Tracker(zlut=lut, backend="numba")
    walls: dict[Tracker, list[float]] = {}
    cpus: dict[Tracker, list[float]] = {}
    with Tracker(zlut=lut, threads=2, backend="numba") as both:
        for _ in range(rounds):
            for tracker in (alone, both):
                began = time.process_time()
                walls.setdefault(tracker, []).append(wall(lambda tracker=tracker: tracker.track(crops)))
                cpus.setdefault(tracker, []).append(time.process_time() - began)
    ratio = min(walls[alone]) / min(walls[both])
    rate = round(len(crops) / min(walls[both]))
    emit(case, "2 threads, best", rate, "bead-frames/s", ratio=ratio, against="1 thread, best")
    cost = statistics.median(cpus[both]) / statistics.median(cpus[alone])
    emit(case, "CPU of 2 threads", round(cost, 3), "of 1 thread's")
    halves(case, crops, alone, rounds)


def halves(case: str, crops: Any, tracker: Tracker, rounds: int) -> None:
    """CPU time of the longer of two threads with half of the work each: what waits for a free core does not count."""

    def own_cpu(part: Any) -> float:
        began = time.thread_time()
        tracker.track(part)
        return time.thread_time() - began

    parts = np.array_split(crops, 2)
    with ThreadPoolExecutor(2) as pool:
        longest = [max(pool.map(own_cpu, parts)) for _ in range(rounds)]
    whole = statistics.median(own_cpu(crops) for _ in range(rounds))
    took = statistics.median(longest)
    emit(
        case, "2 threads, CPU of the longer", round(took * 1000, 2), "ms", ratio=whole / took, against="1 thread's CPU"
    )


def agreement(case: str, crops: Any, lut: ZLut) -> None:
    x, y, z, profiles = theirs(crops, lut)()
    own = Tracker(zlut=lut, backend="numba").track(crops)
    found = own.good
    shift = np.maximum(np.abs(own.x - x), np.abs(own.y - y))[found]
    emit(case, "x and y, largest difference", float(shift.max()), "px", ratio=None)
    difference = np.abs(own.z - z)[found]
    emit(case, "z, p99 of the difference", float(np.quantile(difference, 0.99)), "nm")
    emit(case, "z, largest difference", float(difference.max()), "nm")
    flipped = np.nanmax(np.abs(own.profiles - profiles)[found], axis=1) > 1e-6
    emit(case, "profiles with a flipped bin", int(flipped.sum()), f"of {len(flipped)}")
    emit(case, "answered by one only", int((np.isnan(own.z) != np.isnan(z)).sum()), f"of {len(z)}")


def accuracy(case: str, bead: BeadImage, roi: int, crops: Any, truth: Any) -> None:
    modes: tuple[Mode, ...] = ("magtrack", "linear_bins")
    for step_nm in (_STEP_NM, 25.0):
        errors = {}
        for mode in modes:
            tracks = Tracker(TrackingOptions.of(mode), table(bead, roi, mode, step_nm)).track(crops)
            errors[mode] = float(np.nanmedian(np.abs(tracks.z - truth[:, 2])))
            if step_nm == _STEP_NM and mode == "magtrack":
                emit(case, "x, median error", float(np.nanmedian(np.abs(tracks.x - truth[:, 0]))), "px")
        metric = f"z, median error, table of {step_nm:g} nm"
        emit(case, f"{metric}, magtrack mode", round(errors["magtrack"], 2), "nm")
        emit(case, f"{metric}, linear_bins", round(errors["linear_bins"], 2), "nm",
             ratio=errors["linear_bins"] / errors["magtrack"], against="magtrack mode")  # fmt: skip


def main(number: int, rounds: int, repeat: int) -> None:
    emit("all", "compile or load the kernel", round(warm_tracker(load_settings().kernels), 2), "s")
    for roi, nm_per_px in _CASES:
        bead = BeadImage(nm_per_px=nm_per_px)
        crops, truth = simulated(bead, roi, number)
        lut, linear = (table(bead, roi, mode, _STEP_NM) for mode in ("magtrack", "linear_bins"))
        case = f"ROI {roi}, {nm_per_px:g} nm/px, {number} uint8 crops"
        speeds(case, crops, lut, linear, rounds, repeat)
        scaling(case, crops, lut, rounds * 10)
        agreement(case, crops, lut)
        accuracy(case, bead, roi, crops, truth)


if __name__ == "__main__":
    if "--small" in sys.argv[1:]:
        main(200, rounds=3, repeat=5)
    else:
        main(1000, rounds=7, repeat=20)
