"""Watched folders with a clock that stands still, and a state that remembers what it was asked."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.watch import GateAnswer, LSMWatcherService, NotNow, OCTWatcherService, Outcome, PassReport, Problem


@dataclass
class Notes:
    """An observer that writes everything down."""

    units: list[tuple[str, Outcome, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    reports: list[PassReport] = field(default_factory=list)

    def unit(self, ident: str, outcome: Outcome, detail: str) -> None:
        self.units.append((ident, outcome, detail))

    def problem(self, problem: Problem) -> None:
        self.problems.append(problem)

    def finished(self, report: PassReport) -> None:
        self.reports.append(report)


@dataclass
class _State:
    """One watcher on one folder, driven pass by pass, with the state's side of it."""

    folder: Path
    now: float = 0.0
    notes: Notes = field(default_factory=Notes)
    asked: list[Any] = field(default_factory=list)
    dispatched: list[Any] = field(default_factory=list)
    rows: dict[str, str] = field(default_factory=dict)
    before_dispatch: Callable[[Any], None] = lambda ready: None
    away: bool = False
    """Whether the API is out of reach."""

    def gate(self, ready: Any) -> GateAnswer:
        self.asked.append(ready)
        known = self.rows.get(ready.ident.key)
        if known is not None and not ready.force:
            return GateAnswer(registered=False, status="completed", changed=known != ready.fingerprint)
        self.rows[ready.ident.key] = ready.fingerprint
        return GateAnswer(registered=True, status="ready")

    def dispatch(self, ready: Any) -> None:
        self.before_dispatch(ready)
        if self.away:
            raise NotNow("the API is away")
        self.dispatched.append(ready)

    def at(self, service: Any, now: float) -> PassReport:
        self.now = now
        report: PassReport = service.run_pass()
        return report

    def shared(self) -> dict[str, Any]:
        return {
            "gate": self.gate,
            "dispatch": self.dispatch,
            "stability_seconds": 10.0,
            "observer": self.notes,
            "clock": lambda: self.now,
        }


class Bench(_State):
    """A folder of tiles."""

    def watch(self, **options: Any) -> OCTWatcherService:
        shape = {"grid_size_x_normal": 3, "grid_size_x_tilted": 2, "grid_size_y": 2, "tile_saving_type": "complex"}
        shape |= options.pop("acquisition", {})
        config = PSOCTScanConfig(
            project_name="brain",
            project_base_path=self.folder,
            mosaics_per_slice=options.pop("mosaics_per_slice", 2),
            acquisition=shape,
        )
        return OCTWatcherService("brain", self.folder, config, **self.shared() | options)

    def tile(self, mosaic: int, tile: int, text: str = "x", *, ending: str = "processed_cropped_focus.nii") -> Path:
        path = self.folder / f"mosaic_{mosaic:03d}_image_{tile:04d}_{ending}"
        path.write_text(text)
        return path

    def batch(self, mosaic: int, batch: int, text: str = "x") -> list[Path]:
        return [self.tile(mosaic, tile, text) for tile in (2 * batch - 1, 2 * batch)]

    def done(self) -> list[tuple[int, int]]:
        return [(ready.ident.mosaic, ready.ident.batch) for ready in self.dispatched]


class StripBench(_State):
    """A folder of strips."""

    def watch(self, **options: Any) -> LSMWatcherService:
        names = ("strips_per_slice", "strip_folder_size_threshold")
        shape = {name: options.pop(name) for name in names if name in options}
        config = LSMScanConfig(project_name="brain", project_base_path=self.folder, **shape)
        return LSMWatcherService("brain", self.folder, config, **self.shared() | options)

    def acquire(self, name: str, text: str = "x", *, files: int = 2) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        for number in range(files):
            (folder / f"{name}-{number}spool.dat").write_text(text)
        return folder

    def done(self) -> list[str]:
        return [ready.folder.name for ready in self.dispatched]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "Gehirn 7, à droite 脳"
    folder.mkdir()
    return folder


@pytest.fixture
def bench(folder: Path) -> Bench:
    return Bench(folder)


@pytest.fixture
def strips(folder: Path) -> StripBench:
    return StripBench(folder)


class _Entry:
    def __init__(self, entry, stats, fail):
        self._entry, self._stats, self._fail = entry, stats, fail
        self.name, self.path = entry.name, entry.path

    def is_dir(self, **options):
        return self._entry.is_dir(**options)

    def stat(self, **options):
        self._stats[self.name] += 1
        if self.name in self._fail:
            raise self._fail[self.name]
        return self._entry.stat(**options)


@pytest.fixture
def scans(monkeypatch):
    """Count listings and stats; `fail` maps names (None: the listing's end) to the error they raise."""
    real = os.scandir

    class Scan:
        stats, listings, fail = Counter(), 0, {}

        def __init__(self, path):
            self._real = real(path)
            Scan.listings += 1

        def __enter__(self):
            return self._walk()

        def __exit__(self, *_):
            self._real.close()

        def _walk(self):
            for entry in self._real:
                yield _Entry(entry, Scan.stats, Scan.fail)
            if None in Scan.fail:
                raise Scan.fail[None]

    monkeypatch.setattr(os, "scandir", Scan)
    monkeypatch.setattr(os, "supports_fd", {*os.supports_fd, Scan})
    return Scan
