"""A small project in a home of its own, its flows run in this process against a real Prefect API."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from opticstream.core.settings import load_settings
from opticstream.state import open_database
from support.brain import Brain
from support.command import command_environment
from support.nursery import Nursery
from support.oct_folder import set_up, small_config


@pytest.fixture(scope="session")
def nursery(server: str, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Nursery]:
    """Return what starts commands of ours without an import, on the session's Prefect API."""
    if not hasattr(os, "fork"):
        pytest.skip("this system does not fork processes")
    kernels = str(pytestconfig.cache.mkdir("kernels"))
    environment = command_environment(tmp_path_factory.mktemp("nursery"), server, OPTICSTREAM_KERNEL_CACHE=kernels)
    with Nursery(environment) as started:
        yield started


@pytest.fixture
def forks(request: pytest.FixtureRequest) -> Nursery | None:
    """Return the nursery; None where processes must be started as programs, which takes longer and shows the same."""
    return request.getfixturevalue("nursery") if hasattr(os, "fork") else None


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
