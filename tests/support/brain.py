"""Project ``brain`` as tests of flows and commands use it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opticstream.core.identifiers import BatchId
from opticstream.core.oct_layout import batch_id
from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.core.settings import Settings
from opticstream.state import OCT_TREE, Database, ProjectState, UnitView
from support.oct_folder import write_batch


@dataclass
class Brain:
    """Project ``brain`` with batches of two tiles."""

    settings: Settings
    database: Database
    config: PSOCTScanConfig
    tiles: Path

    @property
    def state(self) -> ProjectState:
        return ProjectState(self.database, OCT_TREE, "brain")

    def ident(self, batch: int = 1) -> BatchId:
        return batch_id("brain", 1, batch, 2)

    def row(self, batch: int = 1) -> UnitView:
        view = self.state.peek(self.ident(batch))
        assert view is not None
        return view

    def ready(self, batch: int = 1, content: bytes | None = None) -> list[Path]:
        """Write a batch's tiles and register it."""
        paths = write_batch(self.tiles, 1, batch, content)
        source = {"file_list": [str(path) for path in paths], "project_base_path": str(self.config.project_base_path)}
        self.state.register_ready(self.ident(batch), fingerprint="f", source=source, dispatch="direct")
        return paths

    def process(self, batch: int = 1, **options: Any) -> dict[str, Any]:
        from opticstream.flows.process_tile_batch import process_tile_batch

        return process_tile_batch("brain", 1, batch, **options)

    @property
    def products(self) -> list[str]:
        """Names of everything below the base path, temporary files included."""
        base = self.config.project_base_path
        return sorted(path.name for path in base.rglob("*") if path.is_file())
