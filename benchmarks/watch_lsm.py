"""What a pass of the LSM watcher costs, against listing every folder and one stat per file and nothing else.

Run as ``python benchmarks/watch_lsm.py [STRIPS FILES]``. CPU time, each pass measured right next to bare walks.
"""

import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from _against import compare
from _emit import emit as result
from _passes import AGAINST, measure_passes, memory

from opticstream.core.lsm_config import LSMScanConfig
from opticstream.watch import GateAnswer, LSMWatcherService

emit = partial(result, "watch_lsm")


def fill(folder: Path, strips: int, files: int) -> None:
    for number in range(strips):
        strip = folder / f"Run{number // 10 + 1}_{number % 10}"
        strip.mkdir()
        for index in range(files):
            (strip / f"{str(index)[::-1]:0<10}spool.dat").touch()


def bare(folder: Path) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                bare(Path(entry.path))
            else:
                entry.stat()


def watcher(folder: Path, status: str | None = None) -> LSMWatcherService:
    accept = GateAnswer(registered=True, status="ready")
    return LSMWatcherService(
        "bench",
        folder,
        LSMScanConfig(project_name="bench", project_base_path=folder),
        gate=lambda _: accept,
        dispatch=lambda _: None,
        known=lambda _: status,
        stability_seconds=15,
    )


def measure(strips: int, files: int) -> None:
    case = f"{strips} strips of {files} files"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder, strips, files)
        service = measure_passes(emit, case, strips * files, lambda: watcher(folder), lambda: bare(folder))
        assert service.totals["dispatched"] == strips, service.totals
        compare(
            *(emit, case, "first pass, all completed before", 5),
            lambda _: lambda: watcher(folder, "completed").run_pass(0.0),
            *(lambda: bare(folder), AGAINST),
        )
        held, peak = memory(lambda: watcher(folder))
        emit(case, "memory held per strip", round(held / strips, 1), "B")
        emit(case, "peak memory per file of one strip", round((peak - held) / files, 1), "B")


if __name__ == "__main__":
    arguments = [int(text) for text in sys.argv[1:]]
    measure(*(arguments or [50, 2_000]))
