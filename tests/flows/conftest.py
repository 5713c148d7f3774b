"""A small project in a home of its own, its flows run in this process against a real Prefect API."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from opticstream.core.settings import load_settings
from opticstream.state import open_database
from support.brain import Brain
from support.oct_folder import set_up, small_config


@pytest.fixture
def prefect_api(server: str, home: Path) -> Iterator[str]:
    """Point this process's Prefect client at the session's server."""
    (home / "prefect").mkdir(parents=True)
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    with temporary_settings({PREFECT_API_URL: server, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield server


@pytest.fixture
def brain(prefect_api: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Brain]:
    """Return the project, in a folder whose name is not plain ASCII."""
    monkeypatch.setenv("OPTICSTREAM_RETRY_BACKOFF_S", "[0]")
    folder = home.parent / "Gehirn 脳 (β)"
    (folder / "tiles").mkdir(parents=True)
    settings = load_settings()
    config = small_config(folder / "products")
    set_up(settings, config)
    with open_database(settings) as database:
        yield Brain(settings, database, config, folder / "tiles")
