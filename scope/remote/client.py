"""Asking a running scope."""

import json
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any, Self

from opticstream.core.errors import BadInput, OpticstreamError
from opticstream.scope.remote.record import read_address


class ScopeClient:
    """A connection to a scope that runs on this computer, under this user.

    Args:
        name: of the scope.
        folder: where running scopes are written down.

    Raises:
        BadInput: no such scope runs.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        found = read_address(folder / f"{name}.json")
        if found is None:
            raise _not_there(name, folder)
        try:
            self._connection = Client(found["address"], authkey=bytes.fromhex(found["key"]))
        except (OSError, EOFError, AuthenticationError):
            raise _not_there(name, folder) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def status(self) -> dict[str, Any]:
        """Return how the scope is."""
        found: dict[str, Any] = self._ask({"do": "status"})
        return found

    def stop(self) -> None:
        """Let the scope end; it is still ending when this returns."""
        self._ask({"do": "stop"})

    def send(self, command: str, **fields: Any) -> list[dict[str, str]]:
        """Send a command by its name, and wait until it has been carried out.

        Returns:
            ``text`` and ``details`` of each problem that its process told of meanwhile; where there is any, it may not
            have been done, or not as it was meant.

        Raises:
            BadInput: there is no such command, or it has other fields.
            OpticstreamError: its process died over it, or has not come to it after ten seconds.
        """
        found = self._ask({"do": "send", "command": command, "fields": fields})
        if not found["over"]:
            raise OpticstreamError(
                f"scope {self.name}: {command}",
                found=f"not carried out by {found['process']}, which is busy or has died",
                action=f"See how it is: opticstream scope status {self.name}",
            )
        problems: list[dict[str, str]] = found["problems"]
        return problems

    def _ask(self, request: dict[str, Any]) -> Any:
        try:
            self._connection.send_bytes(json.dumps(request).encode())
            reply = json.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as error:
            raise OpticstreamError(f"scope {self.name}", found=f"no answer ({error})", expected="one") from None
        if "error" in reply:
            raise BadInput(f"scope {self.name}: {reply['error']}")
        return reply["answer"]


def running_scopes(folder: Path) -> list[str]:
    """Return the names of the scopes that run on this computer, sorted."""
    return sorted(path.stem for path in folder.glob("*.json") if read_address(path) is not None)


def _not_there(name: str, folder: Path) -> BadInput:
    others = ", ".join(running_scopes(folder))
    return BadInput(f"scope {name}", found="no such scope running", expected=others or "a scope that runs; none does")
