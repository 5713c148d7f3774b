"""Session folders, and acquisitions that end with the test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opticstream.rig.engine import ProcessEngine, RunningProcess
from support.acquisition import Start, script_command


@pytest.fixture
def session(tmp_path: Path) -> Path:
    folder = tmp_path / "mouse_2026-01-02_03-04-05"
    folder.mkdir()
    return folder


@pytest.fixture
def start(session: Path) -> Iterator[Start]:
    """Start scripts that log into the session folder; whatever still runs at the end is ended."""
    running: list[RunningProcess] = []

    def begin(code: str, *arguments: object, **options: Any) -> RunningProcess:
        engine = ProcessEngine(script_command(code, *arguments), session_folder=session, **options)
        running.append(engine.start())
        return running[-1]

    yield begin
    for each in running:
        each.stop("end of the test", 0)
