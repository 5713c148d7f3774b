"""A watched folder with a clock that stands still and a state that remembers what it was asked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.watch import GateAnswer, OCTWatcherService, Outcome, PassReport, Problem, ReadyBatch


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
class Bench:
    """One watcher on one folder, driven pass by pass."""

    folder: Path
    now: float = 0.0
    notes: Notes = field(default_factory=Notes)
    asked: list[ReadyBatch] = field(default_factory=list)
    dispatched: list[ReadyBatch] = field(default_factory=list)
    rows: dict[str, str] = field(default_factory=dict)
    before_dispatch: Callable[[ReadyBatch], None] = lambda ready: None

    def watch(self, **options: Any) -> OCTWatcherService:
        shape = {"grid_size_x_normal": 3, "grid_size_x_tilted": 2, "grid_size_y": 2, "tile_saving_type": "complex"}
        shape |= options.pop("acquisition", {})
        config = PSOCTScanConfig(
            project_name="brain",
            project_base_path=self.folder,
            mosaics_per_slice=options.pop("mosaics_per_slice", 2),
            acquisition=shape,
        )
        options = {"stability_seconds": 10.0, "observer": self.notes, "clock": lambda: self.now} | options
        return OCTWatcherService("brain", self.folder, config, gate=self.gate, dispatch=self.dispatch, **options)

    def gate(self, ready: ReadyBatch) -> GateAnswer:
        self.asked.append(ready)
        known = self.rows.get(ready.ident.key)
        if known is not None and not ready.force:
            return GateAnswer(registered=False, status="completed", changed=known != ready.fingerprint)
        self.rows[ready.ident.key] = ready.fingerprint
        return GateAnswer(registered=True, status="ready")

    def dispatch(self, ready: ReadyBatch) -> None:
        self.before_dispatch(ready)
        self.dispatched.append(ready)

    def tile(self, mosaic: int, tile: int, text: str = "x", *, ending: str = "processed_cropped_focus.nii") -> Path:
        path = self.folder / f"mosaic_{mosaic:03d}_image_{tile:04d}_{ending}"
        path.write_text(text)
        return path

    def batch(self, mosaic: int, batch: int, text: str = "x") -> list[Path]:
        return [self.tile(mosaic, tile, text) for tile in (2 * batch - 1, 2 * batch)]

    def at(self, service: OCTWatcherService, now: float) -> PassReport:
        self.now = now
        return service.run_pass()

    def done(self) -> list[tuple[int, int]]:
        return [(ready.ident.mosaic, ready.ident.batch) for ready in self.dispatched]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    folder = tmp_path / "Gehirn 7, à droite 脳"
    folder.mkdir()
    return Bench(folder)
