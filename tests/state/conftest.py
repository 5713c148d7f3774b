"""The store every conformance test runs on; the next back end is one more parameter here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from opticstream.core.oct_layout import batch_id
from opticstream.core.scan_config import OCTAcquisition, PSOCTScanConfig
from opticstream.core.settings import Settings
from opticstream.state import OCT_TREE, Database, ProjectState, open_database, setup_project


@pytest.fixture(params=["sqlite"])
def database(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Database]:
    """Return an open, empty store."""
    with open_database(settings) as opened:
        yield opened


@pytest.fixture
def state(database: Database, tmp_path: Path) -> ProjectState:
    """Return project `brain`: two batches per mosaic, two mosaics per slice."""
    acquisition = OCTAcquisition(grid_size_x_normal=2, grid_size_x_tilted=2, grid_size_y=3, tile_saving_type="complex")
    config = PSOCTScanConfig(project_name="brain", project_base_path=tmp_path / "p", acquisition=acquisition)
    return setup_project(database, OCT_TREE, "brain", config)


@pytest.fixture
def first(state: ProjectState):  # type: ignore[no-untyped-def]
    """Return the identifier of the first batch."""
    return batch_id("brain", 1, 1, 2)
