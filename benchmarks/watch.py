"""What a pass of the OCT watcher costs, against listing the folder and one stat per file and nothing else.

Run as ``python benchmarks/watch.py [FILES …]``. CPU time, because the passes are compared on machines that do other
work too; each watcher pass is measured right next to a bare one, and the ratio is the median of their ratios.
"""

import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from _emit import emit as result
from _passes import measure_passes, memory

from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.watch import GateAnswer, OCTWatcherService

_TILES_PER_BATCH = 20
_BATCHES_PER_MOSAIC = 25


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


def measure(files: int) -> None:
    case = f"{files} files"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder, files)
        service = measure_passes(emit, case, files, lambda: watcher(folder), lambda: bare(folder))
        assert service.totals["dispatched"] == files // _TILES_PER_BATCH, service.totals
        del service
        held, _ = memory(lambda: watcher(folder))
        emit(case, "memory per file", round(held / files, 1), "B")


if __name__ == "__main__":
    for count in [int(text) for text in sys.argv[1:]] or [1_000, 10_000, 50_000]:
        measure(count)
