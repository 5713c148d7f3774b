"""Where others ask a running scope."""

import json
import logging
import os
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Any

from opticstream.core.errors import BadInput
from opticstream.core.files import write_text
from opticstream.core.process_identity import process_birth
from opticstream.scope.remote.record import read_address, remove_dead_record

logger = logging.getLogger("opticstream.scope")

Answer = Callable[[dict[str, Any]], Any]
_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."


class ScopeServer:
    """Answers JSON requests of this user's processes on this computer, each in a thread of its own.

    Its address and key are in a file that only this user can read, ``<name>.json`` in ``folder``.

    Args:
        name: of the scope.
        folder: where running scopes are written down.
        answer: takes a request and returns what can be JSON; an exception is told to whoever asked.

    Raises:
        BadInput: a scope of this name runs on this computer, or the name cannot be a file's.
    """

    def __init__(self, name: str, folder: Path, answer: Answer) -> None:
        if not name or name.startswith(".") or set(name) - set(_NAME):
            raise BadInput("scope's name", found=repr(name), expected="letters, digits, and - _ . within")
        self.path = folder / f"{name}.json"
        self._answer, self._key = answer, secrets.token_bytes(32)
        folder.mkdir(parents=True, exist_ok=True)
        if (found := read_address(self.path)) is not None:
            raise BadInput(
                f"scope {name}",
                found=f"one that runs already, process {found['pid']}",
                expected="another name",
                action=f"Stop it: opticstream scope stop {name}",
            )
        remove_dead_record(self.path)
        self._listener = Listener()
        address = {
            "name": name,
            "pid": os.getpid(),
            "birth": process_birth(os.getpid()),
            "address": self._listener.address,
            "key": self._key.hex(),
        }
        write_text(self.path, json.dumps(address))
        with suppress(OSError):
            self.path.chmod(0o600)
        self._closing = False
        self._thread = threading.Thread(target=self._listen, name=f"scope {name} answers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer nobody any more."""
        self._closing = True
        self.path.unlink(missing_ok=True)
        with suppress(OSError):  # wakes the thread that waits
            Client(self._listener.address).close()
        self._thread.join(1.0)
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:
                return
            if self._closing:
                connection.close()
                return
            threading.Thread(target=self._serve, args=(connection,), name="scope answers", daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        with connection, suppress(EOFError, OSError, AuthenticationError, AssertionError):  # asserted by the handshake
            deliver_challenge(connection, self._key)
            answer_challenge(connection, self._key)
            while not self._closing:
                said = connection.recv_bytes(1 << 20)
                try:
                    reply = {"answer": self._answer(json.loads(said))}
                except Exception as error:  # whoever asked is to know
                    reply = {"error": str(error) or type(error).__name__}
                connection.send_bytes(json.dumps(reply, default=str).encode())
