"""What every part of the demo needs: a fresh home, a served project, and someone who follows its units to their end."""

import contextlib
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
from functools import partial
from pathlib import Path

import psutil

from opticstream.core.background import in_background
from opticstream.core.identifiers import UnitId
from opticstream.core.settings import Settings, load_settings
from opticstream.deployments.api import send_pending
from opticstream.deployments.server import stop_server
from opticstream.flows.direct_runner import WatchProgress
from opticstream.state import ProjectState, UnitView
from opticstream.watch import StopSignal

PROJECT = "demo"
_PATIENCE_S = 300.0
"""Without any news of the units, how long they may take."""
_RUNS_END_S = 60.0
"""After the last unit, how long its run may take to show it."""
_SERVE_END_S = 30.0


@dataclass
class DemoPart:
    """What one rig of the demo made."""

    title: str
    noun: str
    """What its units are called."""
    products: list[Path] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    """Unit → seconds its flow took."""
    failed: int = 0
    """Units that were not completed."""
    kind_of: Callable[[Path], str] = lambda path: path.stem.rpartition("_")[2]
    """What a product is, for the table."""
    size_of: Callable[[Path], int] = lambda path: path.stat().st_size
    state: dict[str, object] = field(default_factory=dict)


class Follow:
    """Follows units in the state store, tells the operator's view; done when all have ended, or none will any more."""

    def __init__(
        self,
        views: Callable[[], list[UnitView]],
        view: WatchProgress,
        total: int,
        files: Callable[[UnitId], int] = lambda _: 0,
    ) -> None:
        self._views, self._view, self._total, self._files = views, view, total, files
        self.seconds: dict[str, float] = {}
        self.completed = 0
        self.done = threading.Event()
        self._begun: set[str] = set()
        self._news_at = time.monotonic()

    def run(self, ended: threading.Event) -> None:
        """Look until told to end."""
        while not ended.wait(0.3):
            for unit in self._views():
                self._tell(unit)
            if len(self.seconds) == self._total or time.monotonic() - self._news_at > _PATIENCE_S:
                self.done.set()

    def _tell(self, unit: UnitView) -> None:
        key = unit.ident.key
        if key not in self._begun and unit.status in ("running", "completed", "failed"):
            self._begun.add(key)
            self._news_at = time.monotonic()
            self._view.began(unit.ident, self._files(unit.ident))
        if key not in self.seconds and unit.status in ("completed", "failed"):
            begun, ended = unit.started_at, unit.finished_at
            took = (ended - begun).total_seconds() if begun and ended else 0.0
            self.seconds[key] = took
            self._news_at = time.monotonic()
            self.completed += unit.status == "completed"
            self._view.ended(unit.ident, unit.status, took)


class Either:
    """Stops when the operator says so, or when the part is done."""

    def __init__(self, outer: StopSignal, done: threading.Event) -> None:
        self._outer, self._done = outer, done

    def is_set(self) -> bool:
        """Return whether to stop."""
        return self._outer.is_set() or self._done.is_set()

    def wait(self, timeout: float) -> bool:
        """Return whether to stop, after ``timeout`` seconds at most."""
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


@contextmanager
def served(pipeline: str, log: Path, limit: int, done: threading.Event) -> Iterator[Callable[[StopSignal], None]]:
    """Run ``opticstream … serve`` beside the body, as a process of its own; when it ends by itself, nothing is to come.

    Yields:
        What waits until its runs have ended, or the operator stops it: a unit is complete before its run has shown it.
    """
    command = [sys.executable, "-m", "opticstream", pipeline, "serve", PROJECT, "--limit", str(limit)]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            with in_background("serving", partial(_done_with, process, done)):
                yield partial(wait_for_runs, process)
        finally:
            process.terminate()
            try:
                process.wait(_SERVE_END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _done_with(serving: "subprocess.Popen[bytes]", done: threading.Event, ended: threading.Event) -> None:
    while not ended.wait(0.5):
        if serving.poll() is not None:
            done.set()


def wait_for_runs(serving: "subprocess.Popen[bytes]", stop: StopSignal) -> None:
    """Wait until the runs of a serving process, each a child of its own, have ended, or the operator stops it."""
    end = time.monotonic() + _RUNS_END_S
    with contextlib.suppress(psutil.NoSuchProcess):
        while psutil.Process(serving.pid).children() and time.monotonic() < end and not stop.wait(0.2):
            pass


def fresh_folder(output: Path, name: str) -> Path:
    """Return an empty folder of the output."""
    folder = output / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def parent_and_leaf_views(state: ProjectState, level: str) -> list[UnitView]:
    """Return every unit of the innermost level and of the one named."""
    from opticstream.state.report import level_views

    return [*level_views(state, level), *level_views(state, state.tree.leaf.name)]
