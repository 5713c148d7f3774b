"""The demo: a simulated microscope writes tiles over time, the watcher processes them, a report shows the result."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from opticstream.core.background import in_background
from opticstream.core.scan_config import OCTAcquisition, PSOCTScanConfig
from opticstream.core.settings import Settings, load_settings
from opticstream.deployments.api import LocalApi, send_pending
from opticstream.deployments.relay import Relay
from opticstream.deployments.relay_api import RelayApi
from opticstream.deployments.server import stop_server
from opticstream.flows.direct_runner import WatchProgress
from opticstream.flows.oct_watch import OCTWatchOptions, watch_oct
from opticstream.state import OCT_TREE, ProjectState, UnitView, open_database, setup_project
from opticstream.state.report import leaf_views
from opticstream.state.report import report as state_report
from opticstream.tasks.oct_config import save_blocks
from opticstream.watch import StopSignal

PROJECT = "demo"
MOSAICS, BATCHES, TILES = 2, 2, 3
_PATIENCE_S = 180.0
"""After the last tile, how long the batches may take."""
_SERVE_END_S = 30.0


@dataclass
class DemoResult:
    """What the demo made."""

    ui_url: str
    products: list[Path]
    pictures: list[Path]
    seconds: dict[str, float]
    """Batch → seconds its flow took."""
    failed: int
    """Batches that were not completed."""
    state: dict[str, object] = field(default_factory=dict)


class _Follow:
    """Follows the batches in the state store, tells the operator's view, and knows when all have ended."""

    def __init__(self, state: ProjectState, view: WatchProgress, total: int) -> None:
        self._state, self._view, self._total = state, view, total
        self.seconds: dict[str, float] = {}
        self.completed = 0
        self.done = threading.Event()
        self._begun: set[str] = set()

    def run(self, ended: threading.Event) -> None:
        """Look until told to end."""
        while not ended.wait(0.3):
            for batch in leaf_views(self._state):
                self._tell(batch)
            if len(self.seconds) == self._total:
                self.done.set()

    def _tell(self, batch: UnitView) -> None:
        key = batch.ident.key
        if key not in self._begun and batch.status in ("running", "completed", "failed"):
            self._begun.add(key)
            self._view.began(batch.ident, TILES)
        if key not in self.seconds and batch.status in ("completed", "failed"):
            begun, ended = batch.started_at, batch.finished_at
            took = (ended - begun).total_seconds() if begun and ended else 0.0
            self.seconds[key] = took
            self.completed += batch.status == "completed"
            self._view.ended(batch.ident, batch.status, took)


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
        state = ProjectState(database, OCT_TREE, PROJECT)
        follow = _Follow(state, progress, MOSAICS * BATCHES)
        either = _Either(stop, follow.done)
        options = OCTWatchOptions(ranges=f"1:{MOSAICS}", stability_seconds=1.0, poll_interval_s=0.5, direct=False)
        with _served(output / "serve.log"), _microscope(tiles), in_background("follow", follow.run):
            with RelayApi(settings) as relay_api, Relay(database, relay_api) as relay:
                watch_oct(
                    database, config, tiles, options, api=None, progress=progress, stop=either, announced=relay.wake
                )
                either.wait(_PATIENCE_S)
        return _result(state, output, follow, api)


@contextmanager
def _served(log: Path) -> Iterator[None]:
    """Run ``opticstream oct serve`` beside the body, as a process of its own."""
    command = [sys.executable, "-m", "opticstream", "oct", "serve", PROJECT, "--limit", "2"]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(_SERVE_END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _config(products: Path) -> PSOCTScanConfig:
    acquisition = OCTAcquisition(
        grid_size_x_normal=BATCHES, grid_size_x_tilted=BATCHES, grid_size_y=TILES, tile_saving_type="complex"
    )
    return PSOCTScanConfig(project_name=PROJECT, project_base_path=products.absolute(), acquisition=acquisition)


@contextmanager
def _microscope(folder: Path) -> Iterator[None]:
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
    with in_background("microscope", lambda ended: simulate_oct(folder, spec, stop=ended)):
        yield


def _result(state: ProjectState, output: Path, follow: _Follow, api: LocalApi) -> DemoResult:
    products = sorted((output / "products").rglob("*.nii"))
    pictures = sorted((output / "products").rglob("*.png"))
    url = (api.url or "").removesuffix("/api")
    return DemoResult(
        url, products, pictures, follow.seconds, MOSAICS * BATCHES - follow.completed, state_report(state)
    )
