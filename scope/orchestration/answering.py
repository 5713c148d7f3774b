"""What a scope tells those outside who ask."""

import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from opticstream.core.errors import BadInput
from opticstream.scope.acquisition import Acquisition
from opticstream.scope.child_link import ChildLink
from opticstream.scope.commands.broadcasts import EchoCommand, SetSettingsCommand
from opticstream.scope.ipc import Command, CommandRegistry, Delivery
from opticstream.scope.ipc.registry import MAG_SCOPE
from opticstream.scope.orchestration.sent_commands import SentCommands
from opticstream.scope.orchestration.silence import SilenceWatch
from opticstream.scope.outcome import Outcome
from opticstream.scope.remote.server import ScopeServer
from opticstream.scope.settings import MagScopeSettings

_CARRIED_OUT_WITHIN_S = 10.0
"""How long a command from outside is waited for: a process answers when it has made its turn."""
_LOOK_S = 0.1
_COUNTS = ("frames_tracked", "frames_dropped", "frames_purged", "frames_skipped", "frames_not_stored")


class Answering:
    """Answers requests while the scope runs: how it is, a command by its name, the wish that it end."""

    name: str
    runtime_folder: Path | None = None
    """Where running scopes are written down, so that commands find them; None: nobody can ask."""
    command_registry: CommandRegistry
    up: threading.Event
    processes: Mapping[str, Any]
    shared_values: Any
    video_buffer: Any
    problems: "deque[tuple[float, str, str]]"
    values: dict[str, Any]
    _links: dict[str, ChildLink]
    _acquisition: Acquisition
    _settings: Any
    _board: Any
    _silence: SilenceWatch
    outcome: Outcome | None
    _last_status: dict[str, Any]
    _sent: SentCommands
    _quit_reason: str | None
    _server: ScopeServer | None = None
    _began: float = 0.0
    _began_ns: int = 0
    _restarts: int = 0

    if TYPE_CHECKING:  # of the scope's other parts

        def send(self, command: Command) -> None:
            """Send a command to whoever answers it."""
            ...

        def request_stop(self, reason: str, *, failed: bool = False) -> None:
            """Let the scope end."""
            ...

    def _open_for_others(self) -> None:
        self._began, self._began_ns = time.monotonic(), time.time_ns()
        if self.runtime_folder is not None:
            self._server = ScopeServer(self.name, self.runtime_folder, self._answer)

    def _close_for_others(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def status(self) -> dict[str, Any]:
        """Return how the scope is: processes, frames, beads, what was shown last; plain values."""
        values = self.shared_values
        return {
            "name": self.name,
            "pid": os.getpid(),
            "up": self.up.is_set(),
            "tracking_ready": bool(values.tracking_ready.value),
            "up_s": round(time.monotonic() - self._began, 1),
            "processes": {
                name: {
                    "pid": link.manager.pid,
                    "alive": link.is_alive(),
                    "silent_s": round(self._silence.silent.get(name, 0.0), 1),
                }
                for name, link in self._links.items()
            },
            "restarts": self._restarts,
            "frames": int(values.camera_total_frames.value),
            **{name: int(getattr(values, name).value) for name in _COUNTS},
            "buffer_level": round(float(self.video_buffer.get_level()), 3),
            "beads": len(self._board),
            "acquisition": {
                "on": self._acquisition.on,
                "mode": str(self._acquisition.mode),
                "dir": self._acquisition.dir,
                "saving": self._acquisition.saving,
            },
            "values": dict(self.values),
            "problems": [{"time": at, "text": text, "details": details} for at, text, details in self.problems],
        }

    def summary(self) -> dict[str, Any]:
        """Return the last status, and how the scope ended."""
        outcome = self.outcome
        ended = {} if outcome is None else {"succeeded": outcome.succeeded, "reason": outcome.reason}
        return {**self._last_status, **ended}

    def _answer(self, request: dict[str, Any]) -> Any:
        match request:
            case {"do": "status"}:
                return self.status()
            case {"do": "stop"}:
                self.request_stop("stopped from outside")
                return None
            case {"do": "send", "command": str(name), "fields": dict(given)}:
                return self._sent_to_its_end(self._made(name, given))
        raise BadInput("request", found=f"{request!r:.200}", expected="status, stop or send")

    def _sent_to_its_end(self, command: Command) -> dict[str, Any]:
        """Send a command and wait until it has been carried out; return whether it was, by whom, and what was told."""
        spec = self.command_registry.route_for(command)
        target = spec.target if spec.delivery is Delivery.DIRECT else MAG_SCOPE
        link, deadline = self._links.get(target), time.monotonic() + _CARRIED_OUT_WITHIN_S
        sent = self._sent.follow(command, target)
        try:
            self.send(command)
            self.send(EchoCommand(sent.token))
            while not (over := sent.over.wait(_LOOK_S)) and time.monotonic() < deadline:
                if self._quit_reason is not None or self._links.get(target) is not link:
                    break
            # The echo of a process that began anew meanwhile says nothing of a command that the old one had.
            over = self._quit_reason is not None or (over and self._links.get(target) is link)
        finally:
            self._sent.forget(sent)
        problems = [{"text": text, "details": details} for text, details in sent.told]
        return {"over": over, "process": target, "problems": problems}

    def _made(self, name: str, given: dict[str, Any]) -> Command:
        kind = self.command_registry.named(name)
        known = {one.name: one for one in fields(kind)}
        missing = [
            one.name
            for one in known.values()
            if one.default is MISSING and one.default_factory is MISSING and one.name not in given
        ]
        unknown = sorted(given.keys() - known.keys())
        if missing or unknown:
            raise BadInput(
                kind.__name__,
                found=f"fields {', '.join(sorted(given)) or 'none'}",
                expected=", ".join(known) or "no fields",
            )
        if kind is SetSettingsCommand:
            given = {"settings": MagScopeSettings(self._settings.to_dict() | dict(given["settings"]))}
        try:
            made: Command = TypeAdapter(kind).validate_python(given)
        except ValidationError as error:  # a process that got a value of another type would die of it
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            raise BadInput(f"{kind.__name__}: {field}", found=repr(first["input"]), expected=first["msg"]) from None
        return made
