"""Which Prefect API a command talks to: a configured one always wins; else the embedded server, started if needed."""

import os
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from opticstream.core.errors import ServerUnavailable
from opticstream.core.settings import Settings
from opticstream.deployments.server import api_healthy, running_server, start_server

Source = Literal["PREFECT_API_URL", "Prefect profile", "embedded server", "none"]
_UNSET = {"PREFECT_API_URL": "unset PREFECT_API_URL", "Prefect profile": "run `prefect config unset PREFECT_API_URL`"}


@dataclass(frozen=True, slots=True)
class ApiChoice:
    """An API and where its address came from."""

    url: str | None
    source: Source


def find_api(settings: Settings) -> ApiChoice:
    """Return the API this process would use; starts nothing and asks nobody."""
    url = os.environ.get("PREFECT_API_URL")
    if url:
        return ApiChoice(url, "PREFECT_API_URL")
    url = _profile_url()
    if url:
        return ApiChoice(url, "Prefect profile")
    server = running_server(settings)
    return ApiChoice(server.url, "embedded server") if server else ApiChoice(None, "none")


def _profile_url() -> str | None:
    """Read the user's active profile without importing Prefect, which takes two seconds."""
    home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect")
    path = Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml")
    try:
        profiles = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError):
        return None
    active = os.environ.get("PREFECT_PROFILE") or profiles.get("active")
    try:
        url = profiles["profiles"][active]["PREFECT_API_URL"]
    except (KeyError, TypeError):
        return None
    return url if isinstance(url, str) else None


def ensure_api(settings: Settings, say: Callable[[str], None]) -> str:
    """Return the address of a healthy API, starting the embedded server when none is configured.

    Args:
        settings: the process's settings.
        say: is told in one line what was started and how to see it.

    Raises:
        ServerUnavailable: the configured API does not answer, or the embedded server does not start.
    """
    choice = find_api(settings)
    if choice.url and choice.source != "embedded server":
        if not api_healthy(choice.url):
            raise ServerUnavailable(
                f"Prefect API {choice.url}",
                found="no answer",
                expected=f"the API that {choice.source} names",
                action=f"Start it, or {_UNSET[choice.source]} to use the embedded server.",
            )
        return choice.url
    if choice.url and api_healthy(choice.url):
        return choice.url
    say("Starting the embedded Prefect server …")
    server = start_server(settings)
    say(f"Prefect UI: {server.ui_url}  (`opticstream server stop` ends it)")
    return server.url


def use_api(settings: Settings, url: str) -> None:
    """Make this process's Prefect client talk to ``url``; call it before Prefect is imported.

    The user's own profile files are never written. Without a PREFECT_HOME of the user's, the client's files go to
    the application's home.
    """
    os.environ["PREFECT_API_URL"] = url
    if not os.environ.get("PREFECT_HOME"):
        home = settings.home / "prefect"
        home.mkdir(parents=True, exist_ok=True)  # Prefect creates its home, but not the folders above it
        os.environ["PREFECT_HOME"] = str(home)
    os.environ["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "false"
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")


def send_pending(timeout_s: float = 10.0) -> None:
    """Let Prefect's threads send the logs and events they hold; call it before the server they go to is stopped.

    At the end of the process they would try to reach the stopped server for a minute.
    """
    if "prefect" not in sys.modules:
        return
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (EventsWorker, APILogWorker):
        worker.drain_all(timeout=timeout_s)


class LocalApi:
    """The Prefect API of a long-running command: made available once, asked for its health before each use."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._settings, self._say = settings, say
        self.url: str | None = None

    def ensure(self) -> None:
        """Make the API available to this process, starting the embedded server when none is configured.

        Raises:
            ServerUnavailable: it is not to be had now.
        """
        self.url = ensure_api(self._settings, self._say)
        use_api(self._settings, self.url)

    def healthy(self) -> bool:
        """Say whether the API answers now."""
        return self.url is not None and api_healthy(self.url)
