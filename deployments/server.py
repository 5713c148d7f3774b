"""Prefect's own server, embedded: SQLite in the application's home, loopback only, one per home."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import psutil
from filelock import FileLock

from opticstream.core.errors import ServerUnavailable
from opticstream.core.files import write_text
from opticstream.core.process_identity import process_birth
from opticstream.core.settings import Settings

_HEALTH_POLL_S = 0.2
_STOP_S = 10.0
ANSWERS_WITHIN_S = 10.0
"""A server that is away refuses at once; one that is busy, as with a hundred new runs, takes seconds to answer."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A server this home started."""

    url: str
    """Address of the API."""
    ui_url: str
    pid: int
    birth: str
    since: str
    """When it was started, ISO 8601."""
    already_running: bool = False


def _record(settings: Settings) -> Path:
    return settings.home / "server.json"


def server_log(settings: Settings) -> Path:
    """Return the embedded server's log file."""
    return settings.home / "logs" / "server.log"


def running_server(settings: Settings) -> ServerInfo | None:
    """Return the embedded server that runs from this home; None when it does not."""
    info = _recorded(settings)
    return info if info is not None and process_birth(info.pid) == info.birth else None


def _recorded(settings: Settings) -> ServerInfo | None:
    """Return the server that was started last, running or not."""
    try:
        return ServerInfo(**json.loads(_record(settings).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def api_healthy(url: str, timeout_s: float = ANSWERS_WITHIN_S) -> bool:
    """Say whether a Prefect API answers its health check."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=timeout_s) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError, http.client.HTTPException):  # also something else that listens there
        return False


def start_server(settings: Settings) -> ServerInfo:
    """Start the embedded server and wait until it is healthy; one that runs already is returned.

    Raises:
        ServerUnavailable: it ended early or is not healthy in time; its last log lines are in the error.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.home / "server.lock"):
        info = running_server(settings)
        if info is not None:
            _wait_healthy(settings, info, None)
            return ServerInfo(**{**asdict(info), "already_running": True})
        log = server_log(settings)
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists():
            log.replace(log.with_suffix(".previous.log"))
        port = _free_port(_wanted_ports(settings))
        with log.open("wb") as output:
            child = _spawn(settings, port, output)
        birth = process_birth(child.pid) or ""
        info = ServerInfo(
            url=f"http://127.0.0.1:{port}/api",
            ui_url=f"http://127.0.0.1:{port}",
            pid=child.pid,
            birth=birth,
            since=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        write_text(_record(settings), json.dumps({k: v for k, v in asdict(info).items() if k != "already_running"}))
        try:
            _wait_healthy(settings, info, child)
        except BaseException:
            _end(info)
            child.wait()
            raise
        child.returncode = 0  # detached on purpose: it outlives us, so its end is not ours to collect
        return info


def stop_server(settings: Settings) -> bool:
    """Stop the embedded server and its children; return whether one ran."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.home / "server.lock"):
        info = running_server(settings)
        if info is not None:
            _end(info)
        return info is not None


def server_environment(settings: Settings, port: int) -> dict[str, str]:
    """Return the environment of the embedded server: nothing of the caller's Prefect settings, all files in the home."""
    home = settings.home / "prefect"
    url = f"http://127.0.0.1:{port}/api"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return kept | {
        "PREFECT_HOME": str(home),
        "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{(home / 'prefect.db').as_posix()}",
        "PREFECT_API_URL": url,
        # On another port than 4200 the UI would still call 4200.
        "PREFECT_UI_API_URL": url,
        "PREFECT_UI_STATIC_DIRECTORY": str(settings.home / "cache" / "prefect-ui"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "DO_NOT_TRACK": "1",
    }


def _spawn(settings: Settings, port: int, output: IO[bytes]) -> subprocess.Popen[bytes]:
    (settings.home / "prefect").mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    options = {
        "env": server_environment(settings, port),
        "cwd": settings.home,
        "stdin": subprocess.DEVNULL,
        "stdout": output,
        "stderr": subprocess.STDOUT,
    }
    if os.name == "nt":
        flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "CREATE_NO_WINDOW", 0)
        return subprocess.Popen(command, creationflags=flags, **options)  # type: ignore[call-overload,no-any-return]
    return subprocess.Popen(command, start_new_session=True, **options)  # type: ignore[call-overload,no-any-return]


def _wanted_ports(settings: Settings) -> list[int]:
    """Return the ports to try: one that was asked for, the one of the last start (running clients know it), 4200."""
    last = urllib.parse.urlsplit(info.url).port if (info := _recorded(settings)) else None
    asked = "server_port" in settings.model_fields_set and settings.server_port != 0
    ports = [settings.server_port, last] if asked else [last, settings.server_port]
    return [port for port in ports if port is not None]


def _free_port(wanted: list[int]) -> int:
    for port in (*wanted, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
            if os.name != "nt":  # there the option lets two servers share a port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise ServerUnavailable("port of the embedded server", found="no free port on 127.0.0.1")


def _wait_healthy(settings: Settings, info: ServerInfo, child: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + settings.server_start_timeout_s
    while not api_healthy(info.url):
        gone = child.poll() is not None if child is not None else process_birth(info.pid) != info.birth
        if gone or time.monotonic() > deadline:
            raise ServerUnavailable(
                "embedded Prefect server",
                found="it ended while starting" if gone else f"no answer from {info.url}",
                expected=f"a healthy API within {settings.server_start_timeout_s:g} s",
                action=f"Look at {server_log(settings)}; it ends with:\n{_tail(server_log(settings))}",
            )
        time.sleep(_HEALTH_POLL_S)


def _tail(path: Path, lines: int = 12) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as handle:
            return "".join(deque(handle, lines))
    except OSError:
        return "(no log)"


def _end(info: ServerInfo) -> None:
    """Terminate the server and its children, first politely."""
    if process_birth(info.pid) != info.birth:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(info.pid)
        family = [process, *process.children(recursive=True)]
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.terminate()
        _, alive = psutil.wait_procs(family, timeout=_STOP_S)
        for member in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(alive, timeout=_STOP_S)
