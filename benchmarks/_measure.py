"""What benchmarks of tiles share: CPU time, anonymous memory, a process of its own, a tile through the flow's task."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from opticstream.core.oct_layout import batch_id
from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.core.settings import load_settings
from opticstream.state import OCT_TREE, ProjectState, open_database, setup_project

STATUS = Path("/proc/self/status")
"""Where Linux says how much anonymous memory a process holds."""


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
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("RssAnon"))
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


def memory(work: Callable[[], object]) -> dict[str, float]:
    """Return the peak of anonymous memory of some work."""
    with anonymous_peak() as peak:
        made = work()
    del made
    return {"peak": peak()}


def through_flow(paths: list[Path], config: PSOCTScanConfig) -> dict[str, float]:
    """Take a registered batch through the task that the flow runs for each tile; products are discarded after."""
    from prefect.logging import disable_run_logger

    from opticstream.tasks.batch_work import BatchWork
    from opticstream.tasks.oct_batch import STAGE, process_tile

    ident = batch_id(config.project_name, 1, 1, 2)
    with open_database(load_settings()) as database:
        setup_project(database, OCT_TREE, config.project_name, config)
        state = ProjectState(database, OCT_TREE, config.project_name)
        source = {"file_list": [str(path) for path in paths], "project_base_path": str(config.project_base_path)}
        state.register_ready(ident, fingerprint="f", source=source, dispatch="run")
        work = BatchWork(state, config, state.claim(ident, STAGE, owner="benchmark"))

        def batch() -> None:
            for tile in work.tiles:
                process_tile.fn(work, tile)

        with disable_run_logger(), work, anonymous_peak() as peak:
            took = speed(batch)
    return took | {"peak": peak()}


def run(script: str, what: str, folder: Path, paths: list[Path]) -> dict[str, float]:
    """Measure ``script --one what paths`` in a new process with a home of its own and the shared compiled kernels."""
    with tempfile.TemporaryDirectory(dir=folder) as home:
        own = {"OPTICSTREAM_HOME": home, "PREFECT_HOME": str(Path(home) / "prefect")}
        environment = {**os.environ, **own, "OPTICSTREAM_KERNEL_CACHE": str(folder / "kernels")}
        command = [sys.executable, script, "--one", what, *map(str, paths)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=environment)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured
