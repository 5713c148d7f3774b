"""Project ``sheet``, a small light sheet, as tests of flows and commands use it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.lsm_identifiers import ChannelId, StripId
from opticstream.core.lsm_layout import strip_archive_path, strip_mip_path, strip_zarr_path
from opticstream.core.settings import Settings
from opticstream.imaging.lsm_simulation_spec import LSMSimulationSpec
from opticstream.imaging.lsm_simulator import simulate_lsm
from opticstream.state import LSM_TREE, Database, ProjectState, UnitView, setup_project

SMALL = LSMSimulationSpec(strips=2, rows=21, columns=48, frames=70, frames_per_file=16, overlap_percent=25)


@dataclass
class Sheet:
    """Project ``sheet``: two strips of one channel in the folder ``raw``."""

    settings: Settings
    database: Database
    folder: Path
    config: LSMScanConfig

    @property
    def state(self) -> ProjectState:
        return ProjectState(self.database, LSM_TREE, "sheet")

    @property
    def raw(self) -> Path:
        return self.folder / "raw"

    def configure(self, **options: Any) -> None:
        self.config = sheet_config(self.folder, **options)
        setup_project(self.database, LSM_TREE, "sheet", self.config)

    def ident(self, strip: int = 1) -> StripId:
        return StripId(project="sheet", slice=1, channel=1, strip=strip)

    @property
    def channel(self) -> ChannelId:
        return ChannelId(project="sheet", slice=1, channel=1)

    def row(self, strip: int = 1) -> UnitView:
        view = self.state.peek(self.ident(strip))
        assert view is not None
        return view

    def simulate(self, spec: LSMSimulationSpec = SMALL) -> list[Path]:
        return simulate_lsm(self.raw, spec)

    def ready(self, strip: int = 1, dispatch: Any = "direct") -> Path:
        """Register a strip that was simulated."""
        folder = self.raw / ("Run1" if strip == 1 else f"Run1_{strip - 1}")
        source = {"strip_path": str(folder)}
        self.state.register_ready(self.ident(strip), fingerprint="f", source=source, dispatch=dispatch)
        return folder

    def process(self, strip: int = 1, **options: Any) -> dict[str, Any]:
        from opticstream.flows.process_strip import process_strip

        return process_strip("sheet", 1, 1, strip, **options)

    def zarr(self, strip: int = 1) -> Path:
        return strip_zarr_path(self.config, self.ident(strip))

    def mip(self, strip: int = 1) -> Path:
        return strip_mip_path(self.config, self.ident(strip))

    def archive(self, strip: int = 1) -> Path:
        assert self.config.archive_path is not None
        return strip_archive_path(self.config.archive_path, self.ident(strip))

    @property
    def temporaries(self) -> list[str]:
        """Names below products and archive that only an unfinished attempt leaves."""
        folders = [self.config.products_path, self.config.archive_path]
        return sorted(path.name for folder in folders if folder for path in folder.rglob(".*.token-*"))


def sheet_config(folder: Path, **options: Any) -> LSMScanConfig:
    """Return the project's configuration: products and archive beside the raw data."""
    options = {"archive_path": folder / "archive", "strips_per_slice": 2, "strip_overlap": 25} | options
    options.setdefault("zarr", {"chunk": 32})
    return LSMScanConfig(project_name="sheet", project_base_path=folder / "products", **options)
