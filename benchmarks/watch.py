"""What a pass of the OCT watcher costs, against listing the folder and one stat per file and nothing else.

Run as ``python benchmarks/watch.py [FILES …]``. CPU time, because the passes are compared on machines that do other
work too; each watcher pass is measured right next to a bare one, and the ratio is the median of their ratios.
"""

import gc
import os
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

from _emit import emit as result

from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.watch import GateAnswer, OCTWatcherService, PassReport

_TILES_PER_BATCH = 20
_BATCHES_PER_MOSAIC = 25
_AGAINST = "os.scandir + one stat per file"


emit = partial(result, "watch")


def fill(folder: Path, files: int) -> None:
    tiles = _TILES_PER_BATCH * _BATCHES_PER_MOSAIC
    for number in range(files):
        mosaic, tile = number // tiles + 1, number % tiles + 1
        (folder / f"mosaic_{mosaic:03d}_image_{tile:04d}_processed_cropped_focus.nii").touch()


def bare(folder: Path) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            entry.stat()


def cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def watcher(folder: Path) -> OCTWatcherService:
    config = PSOCTScanConfig(
        project_name="bench",
        project_base_path=folder,
        acquisition={  # type: ignore[arg-type]
            "grid_size_x_normal": _BATCHES_PER_MOSAIC,
            "grid_size_x_tilted": _BATCHES_PER_MOSAIC,
            "grid_size_y": _TILES_PER_BATCH,
            "tile_saving_type": "complex",
        },
    )
    accept = GateAnswer(registered=True, status="ready")
    return OCTWatcherService(
        "bench", folder, config, gate=lambda _: accept, dispatch=lambda _: None, stability_seconds=15
    )


def compare(folder: Path, case: str, metric: str, rounds: int, passes: Callable[[int], Callable[[], object]]) -> None:
    """Measure ``rounds`` watcher passes, each between two bare ones."""
    own, ratios = [], []
    for number in range(rounds):
        work = passes(number)
        before = cpu(lambda: bare(folder))
        took = cpu(work)
        floor = (before + cpu(lambda: bare(folder))) / 2
        own.append(took)
        ratios.append(took / floor)
    emit(case, metric, round(statistics.median(own), 5), "s", ratio=statistics.median(ratios), against=_AGAINST)


def measure(files: int) -> None:
    case = f"{files} files"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder, files)
        bare(folder)
        rounds = max(5, min(25, 100_000 // files))

        def first(_: int) -> Callable[[], PassReport]:
            service = watcher(folder)
            gc.collect()
            return lambda: service.run_pass(0.0)

        compare(folder, case, "first pass", rounds, first)

        service = watcher(folder)
        service.run_pass(0.0)
        compare(folder, case, "unstable pass", rounds, lambda n: lambda: service.run_pass(1.0 + n / 100))
        compare(folder, case, "pass that takes all", 1, lambda _: lambda: service.run_pass(100.0))
        assert service.totals["dispatched"] == files // _TILES_PER_BATCH, service.totals
        compare(folder, case, "idle pass", rounds, lambda n: lambda: service.run_pass(101.0 + n))

        del service
        gc.collect()
        tracemalloc.start()
        service = watcher(folder)
        service.run_pass(0.0)
        service.run_pass(100.0)
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        emit(case, "memory per file", round(held / files, 1), "B")


if __name__ == "__main__":
    for count in [int(text) for text in sys.argv[1:]] or [1_000, 10_000, 50_000]:
        measure(count)
