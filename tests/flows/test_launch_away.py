"""Sessions whose Prefect API is away: at the start, and from the middle of the acquisition on."""

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.launch_site import WAITS, LaunchSite, awaited

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[LaunchSite]:
    """Return a rig with a home of its own, and no server yet."""
    with LaunchSite(tmp_path) as made:
        yield made


@pytest.mark.parametrize("how", ["nobody there", "silent"])
def test_away_at_the_start_the_session_runs_unrecorded(rig: LaunchSite, how: str) -> None:
    """Also when something accepts the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        if how == "nobody there":
            silent.close()
        api = f"http://127.0.0.1:{port}/api"
        began = time.monotonic()
        told = rig.end(rig.launch(rig.params("print('hello')"), PREFECT_API_URL=api))
        print(f"{how}: {time.monotonic() - began:.1f} s")
    assert told["outcome"] == "completed" and told["recorded"] is False
    assert "The session runs unrecorded" in rig.said() and api in rig.said()
    row = rig.session(told["session_name"])
    assert row.status == "completed" and row.flow_run_id is None


class _Ending:
    """A session whose acquisition ended while the API was away."""

    def __init__(self, rig: LaunchSite, told: dict[str, Any]) -> None:
        self.rig = rig
        assert told["outcome"] == "completed" and told["recorded"] is True
        folder = Path(told["session_folder"])
        assert json.loads((folder / "launcher_metadata" / "end_state.json").read_text())["outcome"] == "completed"
        self.row = rig.session(told["session_name"])
        assert self.row.status == "completed" and len(self.row.artifacts) == 2, "what Prefect is still to be shown"

    def is_told(self) -> None:
        """Check that Prefect knows it all, once."""
        rig, run_id = self.rig, self.row.flow_run_id
        run = awaited(lambda: (found := rig.run(run_id))["state_type"] == "COMPLETED" and found, "the final state")
        assert run["state"]["message"] == f"{self.row.name}: completed"
        awaited(lambda: rig.session(self.row.name).artifacts == [], "word that all is told")
        kinds = sorted(each["key"] for each in rig.artifacts(run_id))
        key = f"session-{self.row.name.lower()}".replace("_", "-")
        assert kinds == [key, f"{key}-folder"]
        wanted = [f"opticstream.session.{each}" for each in ("acquiring", "finished", "started")]
        found = awaited(lambda: (seen := rig.events(self.row.name)) and len(seen) >= 3 and seen, "the events")
        assert sorted(found) == wanted


def _end_of(rig: LaunchSite, process: Any) -> _Ending:
    began = time.monotonic()
    rig.go.touch()
    told = rig.end(process, timeout_s=100)  # a hung API once held it for two minutes; the aim is 10 s
    print(f"from the acquisition's end to the prompt: {time.monotonic() - began:.1f} s")
    rig.go.unlink()
    return _Ending(rig, told)


@pytest.mark.slow
def test_killed_in_the_middle_and_told_by_the_next_launch(rig: LaunchSite) -> None:
    rig.server()
    params = rig.params(WAITS)
    process = rig.launch(params)
    rig.acquiring()
    rig.kill_server()
    ending = _end_of(rig, process)
    rig.server()
    rig.go.touch()
    rig.end(rig.launch(params))
    ending.is_told()
    rig.end(rig.launch(params))
    ending.is_told()


@pytest.mark.slow
def test_a_server_that_hangs_and_told_by_whoever_serves(rig: LaunchSite) -> None:
    """It hangs while the session ends, and comes to itself."""
    rig.server()
    process = rig.launch(rig.params(WAITS))
    rig.acquiring()
    with _stopped(rig.server_family()):
        ending = _end_of(rig, process)
    serving = rig.start("launch", "serve", "--name", "rig-7")
    awaited(lambda: "Serving sessions" in rig.said(), "the served deployment")
    ending.is_told()
    os.kill(serving.pid, signal.SIGTERM)
    serving.communicate(timeout=120)
    assert serving.returncode == 0, rig.said()


@contextlib.contextmanager
def _stopped(processes: list[psutil.Process]) -> Iterator[None]:
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()
