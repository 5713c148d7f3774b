"""The store every test here runs on, once with each back end; the next one is one more parameter."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from opticstream.core.identifiers import BatchId
from opticstream.core.oct_layout import batch_id
from opticstream.core.scan_config import OCTAcquisition, PSOCTScanConfig
from opticstream.core.settings import Settings
from opticstream.state import OCT_TREE, Database, ProjectState, open_database, setup_project


@pytest.fixture(params=["sqlite", "postgresql"])
def back_end(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a store of this kind the one that this process and its children open."""
    name: str = request.param
    monkeypatch.delenv("OPTICSTREAM_STATE_URL", raising=False)
    if name == "postgresql":
        monkeypatch.setenv("OPTICSTREAM_STATE_URL", request.getfixturevalue("postgres_url"))
    return name


@pytest.fixture
def settings(back_end: str, settings: Settings) -> Settings:
    """Return settings of a store of each kind."""
    return settings


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
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
def first(state: ProjectState) -> BatchId:
    """Return the identifier of the first batch."""
    return batch_id("brain", 1, 1, 2)
