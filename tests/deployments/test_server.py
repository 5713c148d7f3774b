"""The embedded server as a process: one per home, wholly inside it, and back after a crash."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from opticstream.core.errors import ServerUnavailable
from opticstream.core.settings import Settings, load_settings
from opticstream.deployments.server import (
    api_healthy,
    running_server,
    server_environment,
    server_log,
    start_server,
    stop_server,
)
from support.command import PATIENCE_S, command_environment, command_line, run_command


@pytest.fixture
def stopped_afterwards(home: Path) -> Iterator[Settings]:
    settings = load_settings(server_port=0)
    yield settings
    stop_server(settings)


def _started_here(settings: Settings) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if "prefect" in process.cmdline() and process.environ().get("PREFECT_HOME") == str(
                settings.home / "prefect"
            ):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.slow
def test_its_whole_life(stopped_afterwards: Settings) -> None:
    """Two starts at once, a third one, a crash, a restart, a stop; and nothing written outside the home."""
    settings = stopped_afterwards
    person = settings.home.parent / "person"
    person.mkdir()
    environment = command_environment(settings.home, HOME=str(person), OPTICSTREAM_SERVER_PORT="0")
    both = [
        subprocess.Popen(command_line("server", "start", "--json"), env=environment, stdout=subprocess.PIPE, cwd=person)
        for _ in range(2)
    ]
    first, second = (json.loads(process.communicate(timeout=PATIENCE_S)[0]) for process in both)
    assert first["url"] == second["url"] and {first["already_running"], second["already_running"]} == {True, False}
    assert "Already running" in run_command(environment, "server", "start").stdout
    assert len(_started_here(settings)) == 1
    with urllib.request.urlopen(f"{first['ui_url']}/ui-settings") as answer:
        assert json.load(answer)["api_url"] == first["url"]  # the page calls this server, whatever its port
    with urllib.request.urlopen(first["ui_url"]) as answer:
        assert b"<title>" in answer.read()
    assert json.loads(run_command(environment, "server", "status", "--json").stdout)["healthy"] is True

    os.kill(first["pid"], signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    psutil.wait_procs([psutil.Process(first["pid"])], timeout=PATIENCE_S) if psutil.pid_exists(first["pid"]) else None
    assert "Not running" in run_command(environment, "server", "status", expect=3).stdout
    again = json.loads(run_command(environment, "server", "start", "--json").stdout)
    assert again["already_running"] is False and api_healthy(again["url"])
    assert again["url"] == first["url"]  # where running watchers look for it

    assert run_command(environment, "server", "stop").stdout == "Stopped.\n"
    assert not api_healthy(again["url"]) and not _started_here(settings)
    assert run_command(environment, "server", "stop").stdout == "It was not running.\n"
    assert list(person.rglob("*")) == []


@pytest.mark.slow
def test_a_start_that_fails_shows_the_log_and_leaves_nothing(stopped_afterwards: Settings) -> None:
    settings = stopped_afterwards
    (settings.home / "prefect").mkdir(parents=True)
    (settings.home / "prefect" / "prefect.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(ServerUnavailable, match="it ended while starting") as caught:
        start_server(settings)
    assert str(server_log(settings)) in str(caught.value) and "file is not a database" in str(caught.value)
    assert running_server(settings) is None and not _started_here(settings)


def test_a_record_of_a_process_that_is_another_one_now_is_not_believed(home: Path) -> None:
    home.mkdir()
    settings = load_settings()
    record = {"url": "http://127.0.0.1:1/api", "ui_url": "", "pid": os.getpid(), "birth": "another", "since": ""}
    (home / "server.json").write_text(json.dumps(record))
    assert running_server(settings) is None
    (home / "server.json").write_text("{half")
    assert running_server(settings) is None


def test_a_taken_port_is_passed_over(home: Path) -> None:
    from opticstream.deployments.server import _free_port

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert _free_port([port]) != port


def test_its_environment_holds_none_of_the_caller_s_prefect_settings(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", "postgresql://somebody/elses")
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "secret")
    environment = server_environment(load_settings(), 4321)
    assert "PREFECT_SERVER_API_AUTH_STRING" not in environment
    paths = [environment[name] for name in ("PREFECT_HOME", "PREFECT_PROFILES_PATH", "PREFECT_UI_STATIC_DIRECTORY")]
    assert all(Path(path).is_relative_to(home) for path in paths)
    assert home.as_posix() in environment["PREFECT_API_DATABASE_CONNECTION_URL"]


def test_help_starts_nothing() -> None:
    done = subprocess.run([sys.executable, "-m", "opticstream", "server", "--help"], capture_output=True, check=True)
    assert b"start" in done.stdout
