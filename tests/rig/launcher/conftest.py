"""A home of its own for every launch, and a command that ends with its test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import peers
from support.launching import Launch

Begin = Callable[..., Launch]


@pytest.fixture(autouse=True)
def rig_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what a launch writes beside its session, rig configuration and state, in the test's folder."""
    monkeypatch.delenv("OPTICSTREAM_STATE_URL", raising=False)
    monkeypatch.delenv("OPTICSTREAM_RIG_CONFIG", raising=False)
    home.mkdir(exist_ok=True)
    (home / "rig.toml").write_text('rig_id = "rig-3"\n', "utf-8")
    monkeypatch.setenv("OPTICSTREAM_RIG_CONFIG", str(home / "rig.toml"))
    return home


@pytest.fixture
def free_port() -> int:
    return peers.free_port()


@pytest.fixture
def begin(home: Path) -> Iterator[Begin]:
    """Start the command."""
    begun: list[Launch] = []

    def start(given: dict[str, Any], *more: object, **environment: str) -> Launch:
        begun.append(Launch(home, given, *more, **environment))
        return begun[-1]

    yield start
    for each in begun:
        each.close()
