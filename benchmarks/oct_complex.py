"""How fast complex tiles are processed, and in how much memory, against the formulae in whole-array NumPy.

Run as ``python benchmarks/oct_complex.py [--small]``. Each measurement is a process of its own that takes a tile's
file as the flow does; kernel and NumPy take turns. Speed is MB of raw tile per CPU second, on one thread. Memory is
the peak of anonymous memory above what the process held after imports and warm-up, for a batch of two tiles through
the flow's own task (Linux only): tiles are mapped, so what counts is the products and the scratch space.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from _emit import emit as result

from opticstream.core.oct_layout import batch_id
from opticstream.core.scan_config import OCTAcquisition, PSOCTScanConfig
from opticstream.core.settings import load_settings
from opticstream.imaging.nifti import map_nifti
from opticstream.imaging.oct_simulator import SimulationSpec, simulate_oct
from opticstream.imaging.psoct import TileOptions, process_complex_tile, warm_kernels
from opticstream.imaging.psoct.reference import reference_rows
from opticstream.state import OCT_TREE, ProjectState, open_database, setup_project

emit = partial(result, "oct_complex")

_AGAINST = "the formulae in whole-array NumPy"
_STATUS = Path("/proc/self/status")
_TILES = 2


@contextmanager
def anonymous_peak() -> Iterator[Callable[[], int]]:
    """Sample the process's anonymous memory every millisecond; the function returns the peak above the start."""
    start = peak = anonymous_memory()
    ended = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not ended.wait(0.001):
            peak = max(peak, anonymous_memory())

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield lambda: peak - start
    finally:
        ended.set()
        sampler.join()


def anonymous_memory() -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


def speed(work: Callable[[], object]) -> dict[str, float]:
    """Return the CPU and wall seconds of one tile; nothing else runs in this process meanwhile."""
    began, user, wall = time.process_time(), os.times().user, time.perf_counter()
    made = work()
    took = {
        "cpu": time.process_time() - began,
        "user": os.times().user - user,
        "wall": time.perf_counter() - wall,
    }
    del made
    return took


def whole_array(path: Path) -> object:
    return reference_rows(map_nifti(path), TileOptions())


def memory_of_formulae(path: Path) -> dict[str, float]:
    with anonymous_peak() as peak:
        made = whole_array(path)
    del made
    return {"peak": peak()}


def memory_of_flow(paths: list[Path]) -> dict[str, float]:
    """Take a registered batch through the task that the flow runs for each tile; products are discarded after."""
    from prefect.logging import disable_run_logger

    from opticstream.tasks.batch_work import BatchWork
    from opticstream.tasks.oct_batch import STAGE, process_tile

    settings = load_settings()
    acquisition = OCTAcquisition(grid_size_y=len(paths), tile_saving_type="complex")
    config = PSOCTScanConfig(
        project_name="bench", project_base_path=settings.home / "products", acquisition=acquisition
    )
    ident = batch_id("bench", 1, 1, 2)
    with open_database(settings) as database:
        setup_project(database, OCT_TREE, "bench", config)
        state = ProjectState(database, OCT_TREE, "bench")
        source = {"file_list": [str(path) for path in paths], "project_base_path": str(config.project_base_path)}
        state.register_ready(ident, fingerprint="f", source=source, dispatch="run")
        work = BatchWork(state, config, state.claim(ident, STAGE, owner="benchmark"))
        with disable_run_logger(), work, anonymous_peak() as peak:
            for tile in work.tiles:
                process_tile.fn(work, tile)
    return {"peak": peak()}


def one(what: str, paths: list[Path]) -> dict[str, float]:
    """Measure one thing in this process, after imports and warm-up."""
    warm_kernels(load_settings().kernels)
    measures: dict[str, Callable[[], dict[str, float]]] = {
        "kernel": lambda: speed(lambda: process_complex_tile(paths[0], TileOptions(), backend="numba")),
        "kernel on 2 threads": lambda: speed(
            lambda: process_complex_tile(paths[0], TileOptions(), backend="numba", threads=2)
        ),
        "NumPy": lambda: speed(lambda: whole_array(paths[0])),
        "memory of flow": lambda: memory_of_flow(paths),
        "memory of NumPy": lambda: memory_of_formulae(paths[0]),
    }
    return measures[what]()


def run(what: str, folder: Path, paths: list[Path]) -> dict[str, float]:
    """Measure in a new process with a home of its own and the shared compiled kernels."""
    with tempfile.TemporaryDirectory(dir=folder) as home:
        own = {"OPTICSTREAM_HOME": home, "PREFECT_HOME": str(Path(home) / "prefect")}
        environment = {**os.environ, **own, "OPTICSTREAM_KERNEL_CACHE": str(folder / "kernels")}
        command = [sys.executable, __file__, "--one", what, *map(str, paths)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=environment)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def main(shape: tuple[int, int, int], rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="opticstream-bench-") as name:
        folder = Path(name)
        paths = simulate_oct(folder, SimulationSpec(batches=1, tiles_per_batch=_TILES, shape=shape))
        megabytes = paths[0].stat().st_size / 1e6
        case = f"{shape[0]}x{shape[1]}x{shape[2]}, {megabytes:.0f} MB"
        run("kernel", folder, paths)  # compiles
        names = "kernel", "NumPy", "kernel on 2 threads"
        turns = [{what: run(what, folder, paths) for what in names} for _ in range(rounds)]
        own, plain = ([megabytes / turn[what]["cpu"] for turn in turns] for what in names[:2])
        ratio = statistics.median(a / b for a, b in zip(own, plain, strict=True))
        emit(case, "kernel, speed", round(statistics.median(own), 1), "MB/CPU-s", ratio=ratio, against=_AGAINST)
        best = max(own) / max(plain)
        emit(case, "kernel, best speed", round(max(own), 1), "MB/CPU-s", ratio=best, against=_AGAINST)
        # Half of what NumPy takes is the system handing out pages for its temporaries, which differs between machines.
        own_user, plain_user = (
            statistics.median(megabytes / turn[what]["user"] for turn in turns) for what in names[:2]
        )
        without = "kernel, speed without system time"
        emit(case, without, round(own_user, 1), "MB/CPU-s", ratio=own_user / plain_user, against=_AGAINST)
        emit(case, "NumPy, speed", round(statistics.median(plain), 1), "MB/CPU-s")
        wall = statistics.median(turn[names[2]]["wall"] for turn in turns)
        emit(case, "kernel on 2 threads", round(megabytes / wall, 1), "MB/s")
        if not _STATUS.exists():
            print("Memory is not measured: this system has no /proc/self/status.", file=sys.stderr)
            return
        tile = megabytes * 1e6
        flow = max(run("memory of flow", folder, paths)["peak"] for _ in range(3)) / tile
        formulae = run("memory of NumPy", folder, paths)["peak"] / tile
        metric = "peak anonymous memory"
        emit(case, f"process_tile, {metric}", round(flow, 3), "tiles", ratio=flow / formulae, against=_AGAINST)
        emit(case, f"NumPy, {metric}", round(formulae, 3), "tiles")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(sys.argv[2], [Path(text) for text in sys.argv[3:]])))
    elif "--small" in sys.argv[1:]:
        main((128, 64, 200), rounds=3)
    else:
        main((350, 350, 200), rounds=5)
