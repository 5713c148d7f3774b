"""A rig whose sessions are launched with Prefect: its home, its parameter files, and what the API has of a session."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil

from opticstream.core.settings import load_settings
from opticstream.deployments.server import api_healthy, start_server, stop_server
from opticstream.state import open_database
from opticstream.state.sessions import SessionView, find_session
from support.api import ask_api
from support.command import command_environment, command_line
from support.waiting import until

T = TypeVar("T")
AWAITED_S = 120.0
"""What is waited for may begin with an interpreter that starts, which takes 20 s on a busy computer."""

WAITS = """
import pathlib, sys, time
print("the mouse runs", flush=True)
pathlib.Path(sys.argv[1] + ".began").touch()
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.02)
print("the mouse rests", flush=True)
"""
"""An acquisition that begins visibly, and ends when the file it is given appears."""

LAST = """
import pathlib

def run(context):
    (pathlib.Path(context.session_folder) / "last_words.txt").write_text("always")
"""
"""A module whose run can be seen."""


def awaited(look: Callable[[], T], what: str, timeout_s: float = AWAITED_S) -> T:
    """Return the first thing a look gives that is not empty or None."""
    found: T = until(look, what, timeout_s, every_s=0.05)
    return found


class LaunchSite:
    """A rig; use as a context manager, which ends whatever it still runs.

    Args:
        folder: for everything it writes.
        url: of the Prefect API; empty: that of a server of its own, once :meth:`server` has started it.
    """

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder, self.url = folder, url
        self.home = folder / "rig-home"
        self.home.mkdir(parents=True)
        self.settings = load_settings(home=self.home, server_port=0)
        self.environment = command_environment(self.home, url or None)
        self.go = folder / "go"
        """What an acquisition that ``WAITS`` waits for."""
        self._running: list[subprocess.Popen[str]] = []
        self.own_server = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.go.touch()
        for process in self._running:
            if process.poll() is None:
                process.terminate()
            try:
                process.communicate(timeout=AWAITED_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        if self.own_server:
            stop_server(self.settings)

    # --- its own server

    def server(self) -> None:
        """Start this rig's server, at its last address."""
        self.own_server = True
        self.url = start_server(self.settings).url
        self.environment["PREFECT_API_URL"] = self.url

    def server_family(self) -> list[psutil.Process]:
        process = psutil.Process(start_server(self.settings).pid)
        return [process, *process.children(recursive=True)]

    def kill_server(self) -> None:
        """End the server as a computer that loses power does."""
        pid = start_server(self.settings).pid
        for member in self.server_family():
            member.kill()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
        awaited(lambda: not api_healthy(self.url), "the server's end")

    # --- sessions

    def params(self, script: str, **more: Any) -> Path:
        """Write a script and the parameter file that runs it, with the file it may wait for as its argument."""
        code = self.folder / "acquisition.py"
        code.write_text(script)
        values = {
            "subject_id": "mouse7",
            "user_id": "ana",
            "launcher": "python",
            "script_path": str(code),
            "script_arguments": [str(self.go)],
            "output_root_folder": str(self.folder / "sessions"),
            "resource_log_interval": 0.2,
        }
        path = self.folder / "params.json"
        path.write_text(json.dumps(values | more))
        return path

    def checkout(self, **files: str) -> Path:
        """Make the repository from which script modules come."""
        folder = self.folder / "repository"
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / f"{name}.py").write_text(text)
        return folder

    def start(self, *arguments: Any, **environment: str) -> subprocess.Popen[str]:
        """Start the command; its output is piped."""
        with (self.folder / "stderr.txt").open("ab") as log:
            process = subprocess.Popen(
                command_line(*arguments),
                env=self.environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._running.append(process)
        return process

    def launch(self, params: Path, *more: Any, **environment: str) -> subprocess.Popen[str]:
        """Start a launch that asks nobody."""
        return self.start("launch", params, "--operator", "headless", "--json", *more, **environment)

    def said(self) -> str:
        """Return what the commands wrote to standard error."""
        return (self.folder / "stderr.txt").read_text("utf-8", "replace")

    def end(self, process: subprocess.Popen[str], expect: int = 0, timeout_s: float = 240) -> Any:
        """Wait for a launch's end; return what it told."""
        out, _ = process.communicate(timeout=timeout_s)
        assert process.returncode == expect, f"exit code {process.returncode}\n{out}\n{self.said()[-6000:]}"
        return json.loads(out) if out else None

    def acquiring(self) -> None:
        """Wait until the acquisition of `WAITS` has begun."""
        began = self.go.with_name("go.began")
        awaited(began.exists, "the acquisition")
        began.unlink()

    def session(self, name: str) -> SessionView:
        """Return the session's row."""
        with open_database(self.settings) as database:
            found = find_session(database, name)
        assert found is not None
        return found

    # --- what the API has

    def get(self, path: str) -> Any:
        return ask_api(self.url, path)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return ask_api(self.url, path, body)

    def run(self, run_id: str | None) -> dict[str, Any]:
        """Return a flow run."""
        found: dict[str, Any] = self.get(f"flow_runs/{run_id}")
        return found

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs of the flow ``launch``."""
        found: list[dict[str, Any]] = self.post("flow_runs/filter", {"flows": {"name": {"any_": ["launch"]}}})
        return found

    def task_runs(self, run_id: str | None, number: int) -> list[dict[str, Any]]:
        """Return the task runs of a flow run, in order, as soon as there are so many and all are final."""

        def look() -> list[dict[str, Any]] | None:
            found = self.post(
                "task_runs/filter", {"flow_runs": {"id": {"any_": [run_id]}}, "sort": "EXPECTED_START_TIME_ASC"}
            )
            final = [each for each in found if each["state_type"] in ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")]
            return sorted(final, key=lambda each: each["start_time"]) if len(final) >= number else None

        return awaited(look, f"{number} task runs")

    def logs(self, **which: str | None) -> list[str]:
        """Return the messages on a run's page, by flow_run_id or task_run_id."""
        wanted = {name: {"any_": [value]} for name, value in which.items()}
        found: list[str] = []
        while True:
            body = {"logs": wanted, "sort": "TIMESTAMP_ASC", "limit": 200, "offset": len(found)}
            page = self.post("logs/filter", body)
            found += [each["message"] for each in page]
            if len(page) < 200:
                return found

    def artifacts(self, run_id: str | None) -> list[dict[str, Any]]:
        """Return a flow run's artifacts."""
        found: list[dict[str, Any]] = self.post("artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run_id]}}})
        return found

    def events(self, session: str) -> list[str]:
        """Return the names of a session's events, in order."""
        body = {
            "filter": {"resource": {"id": [f"opticstream.session.{session}"]}, "order": "ASC"},
            "limit": 50,
        }
        return [event["event"] for event in self.post("events/filter", body)["events"]]


def interrupt(process: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> None:
    """Send a signal to a command alone, as a terminal does to what leads it."""
    os.kill(process.pid, number)
