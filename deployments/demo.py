"""The demo: a simulated microscope writes tiles over time, the watcher processes them, a report shows the result."""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from opticstream.core.identifiers import UnitId
from opticstream.core.scan_config import OCTAcquisition, PSOCTScanConfig
from opticstream.core.settings import Settings, load_settings
from opticstream.deployments.api import LocalApi, send_pending
from opticstream.deployments.server import stop_server
from opticstream.flows.direct_runner import WatchProgress
from opticstream.flows.oct_watch import OCTWatchOptions, WatchSummary, watch_oct
from opticstream.state import OCT_TREE, ProjectState, open_database, setup_project
from opticstream.state.report import report as state_report
from opticstream.tasks.oct_config import save_blocks
from opticstream.watch import Outcome, PassReport, Problem, StopSignal

PROJECT = "demo"
MOSAICS, BATCHES, TILES = 2, 2, 3


@dataclass
class DemoResult:
    """What the demo made."""

    ui_url: str
    products: list[Path]
    pictures: list[Path]
    seconds: dict[str, float]
    """Batch → seconds its flow took."""
    failed: int
    state: dict[str, object] = field(default_factory=dict)


class _Finish:
    """Passes progress on, and stops the watch when every batch has ended."""

    def __init__(self, inner: WatchProgress, stop: StopSignal, total: int) -> None:
        self._inner, self._stop, self._total = inner, stop, total
        self.seconds: dict[str, float] = {}
        self.done = threading.Event()

    def unit(self, ident: str, outcome: Outcome, detail: str) -> None:
        self._inner.unit(ident, outcome, detail)

    def problem(self, problem: Problem) -> None:
        self._inner.problem(problem)

    def finished(self, report: PassReport) -> None:
        self._inner.finished(report)

    def began(self, ident: UnitId, tiles: int) -> None:
        self._inner.began(ident, tiles)

    def ended(self, ident: UnitId, status: str, seconds: float) -> None:
        self._inner.ended(ident, status, seconds)
        self.seconds[ident.key] = seconds
        if len(self.seconds) == self._total:
            self.done.set()


class _Either:
    """Stops when the operator says so, or when the demo is done."""

    def __init__(self, outer: StopSignal, done: threading.Event) -> None:
        self._outer, self._done = outer, done

    def is_set(self) -> bool:
        return self._outer.is_set() or self._done.is_set()

    def wait(self, timeout: float) -> bool:
        end = time.monotonic() + timeout
        while not self.is_set() and (left := end - time.monotonic()) > 0:
            self._done.wait(min(0.1, left))
        return self.is_set()


@contextmanager
def demo_home(*, keep: bool) -> Iterator[Settings]:
    """Give the demo a fresh home of its own; its server is stopped and the home removed, unless it is kept."""
    home = Path(tempfile.mkdtemp(prefix="opticstream-demo-"))
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("PREFECT_", "OPTICSTREAM_"))]:
        del os.environ[name]
    os.environ["OPTICSTREAM_HOME"] = str(home)
    os.environ["PREFECT_HOME"] = str(home / "prefect")
    settings = load_settings()
    try:
        yield settings
    finally:
        send_pending()
        if not keep:
            stop_server(settings)
            shutil.rmtree(home, ignore_errors=True)
        os.environ.clear()
        os.environ.update(before)


def run_oct_demo(
    settings: Settings, output: Path, progress: WatchProgress, say: Callable[[str], None], stop: StopSignal
) -> DemoResult:
    """Run the OCT demo in a fresh home.

    Args:
        settings: of the fresh home.
        output: folder that receives tiles and products; emptied first.
        progress: shows what the watcher does.
        say: tells the operator a line.
        stop: ends the demo early.
    """
    for part in ("tiles", "products"):
        shutil.rmtree(output / part, ignore_errors=True)
    tiles = output / "tiles"
    tiles.mkdir(parents=True)
    api = LocalApi(settings, say)
    api.ensure()
    config = _config(output / "products")
    with open_database(settings) as database:
        setup_project(database, OCT_TREE, PROJECT, config)
        save_blocks(settings, config)
        say(f"A simulated microscope writes {MOSAICS * BATCHES * TILES} tiles to {tiles}")
        finish = _Finish(progress, stop, MOSAICS * BATCHES)
        either = _Either(stop, finish.done)
        with _microscope(tiles, either):
            options = OCTWatchOptions(ranges=f"1:{MOSAICS}", stability_seconds=1.0, poll_interval_s=0.5)
            summary = watch_oct(database, config, tiles, options, api=api, progress=finish, stop=either)
        return _result(ProjectState(database, OCT_TREE, PROJECT), output, summary, finish.seconds, api)


def _config(products: Path) -> PSOCTScanConfig:
    acquisition = OCTAcquisition(
        grid_size_x_normal=BATCHES, grid_size_x_tilted=BATCHES, grid_size_y=TILES, tile_saving_type="complex"
    )
    return PSOCTScanConfig(project_name=PROJECT, project_base_path=products.absolute(), acquisition=acquisition)


@contextmanager
def _microscope(folder: Path, stop: StopSignal) -> Iterator[None]:
    """Write tiles from a thread while the body runs, in pieces, as a microscope does."""
    from opticstream.imaging.oct_simulator import SimulationSpec, simulate_oct

    spec = SimulationSpec(
        mosaics=MOSAICS,
        batches=BATCHES,
        tiles_per_batch=TILES,
        shape=(96, 96, 160),
        interval_s=0.3,
        slow_write=True,
    )
    ended = threading.Event()
    thread = threading.Thread(
        target=simulate_oct, args=(folder, spec), kwargs={"stop": ended}, name="opticstream-microscope"
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _result(
    state: ProjectState, output: Path, summary: WatchSummary, seconds: dict[str, float], api: LocalApi
) -> DemoResult:
    products = sorted((output / "products").rglob("*.nii"))
    pictures = sorted((output / "products").rglob("*.png"))
    url = (api.url or "").removesuffix("/api")
    return DemoResult(url, products, pictures, seconds, summary.failed, state_report(state))
