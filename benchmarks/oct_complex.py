"""How fast complex tiles are processed, and in how much memory, against the formulae in whole-array NumPy.

Run as ``python benchmarks/oct_complex.py [--small]``. Each measurement is a process of its own that takes a tile's
file as the flow does; kernel and NumPy take turns. Speed is MB of raw tile per CPU second, on one thread. Memory is
the peak of anonymous memory above what the process held after imports and warm-up, for a batch of two tiles through
the flow's own task (Linux only): tiles are mapped, so what counts is the products and the scratch space.
"""

import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from _emit import emit as result
from _measure import STATUS, memory, run, speed, through_flow

from opticstream.core.scan_config import OCTAcquisition, PSOCTScanConfig
from opticstream.core.settings import load_settings
from opticstream.imaging.nifti import map_nifti
from opticstream.imaging.oct_simulator import SimulationSpec, simulate_oct
from opticstream.imaging.psoct import TileOptions, process_complex_tile, warm_kernels
from opticstream.imaging.psoct.reference import reference_rows

emit = partial(result, "oct_complex")
measured = partial(run, __file__)

_AGAINST = "the formulae in whole-array NumPy"
_TILES = 2


def whole_array(path: Path) -> object:
    return reference_rows(map_nifti(path), TileOptions())


def config(tiles: int) -> PSOCTScanConfig:
    acquisition = OCTAcquisition(grid_size_y=tiles, tile_saving_type="complex")
    base = load_settings().home / "products"
    return PSOCTScanConfig(project_name="bench", project_base_path=base, acquisition=acquisition)


def one(what: str, paths: list[Path]) -> dict[str, float]:
    """Measure one thing in this process, after imports and warm-up."""
    warm_kernels(load_settings().kernels)
    measures: dict[str, Callable[[], dict[str, float]]] = {
        "kernel": lambda: speed(lambda: process_complex_tile(paths[0], TileOptions(), backend="numba")),
        "kernel on 2 threads": lambda: speed(
            lambda: process_complex_tile(paths[0], TileOptions(), backend="numba", threads=2)
        ),
        "NumPy": lambda: speed(lambda: whole_array(paths[0])),
        "memory of flow": lambda: through_flow(paths, config(len(paths))),
        "memory of NumPy": lambda: memory(lambda: whole_array(paths[0])),
    }
    return measures[what]()


def main(shape: tuple[int, int, int], rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="opticstream-bench-") as name:
        folder = Path(name)
        paths = simulate_oct(folder, SimulationSpec(batches=1, tiles_per_batch=_TILES, shape=shape))
        megabytes = paths[0].stat().st_size / 1e6
        case = f"{shape[0]}x{shape[1]}x{shape[2]}, {megabytes:.0f} MB"
        measured("kernel", folder, paths)  # compiles
        names = "kernel", "NumPy", "kernel on 2 threads"
        turns = [{what: measured(what, folder, paths) for what in names} for _ in range(rounds)]
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
        if not STATUS.exists():
            print("Memory is not measured: this system has no /proc/self/status.", file=sys.stderr)
            return
        tile = megabytes * 1e6
        flow = max(measured("memory of flow", folder, paths)["peak"] for _ in range(3)) / tile
        formulae = measured("memory of NumPy", folder, paths)["peak"] / tile
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
