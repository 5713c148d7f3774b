"""A master on a port of its own, slaves that join it, peers that misbehave, and a clock that is moved on by hand."""

import asyncio
import json
import socket
from typing import Any

from opticstream.rig.sync import SyncSettings, run_master, run_slave
from support.old_sync import Running
from support.waiting import until

KEY = "mouse123"
NAME = "mouse123_2026-01-02_03-04-05"


def listen(host: str = "127.0.0.1") -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.bind((host, 0))
    listener.listen(512)
    return listener


class Hurry:
    """A barrier's clock, given to it as ``stop``; runs hundreds of times as fast while somebody hurries it.

    So what only passes time takes none, and limits can be long: a machine that stands still for a while passes none.
    """

    def __init__(self) -> None:
        self.on = False
        self._ahead_s = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    def __call__(self) -> bool:
        """Never ask for a stop; is asked twenty times a second."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            real = self._loop.time
            self._loop.time = lambda: real() + self._ahead_s  # type: ignore[method-assign]
        if self.on:
            self._ahead_s += 20.0
        return False

    def past(self, seconds: float) -> None:
        """Return when so much time has passed for the barrier."""
        end = self._ahead_s + seconds
        self.on = True
        until(lambda: self._ahead_s >= end, "time that passes")
        self.on = False


class Bench:
    """One barrier: its port is taken before anybody starts."""

    def __init__(self) -> None:
        self.listener = listen()
        self.port: int = self.listener.getsockname()[1]
        self.raw: list[socket.socket] = []

    def master_settings(self, slaves: int = 1, **more: Any) -> SyncSettings:
        values: dict[str, Any] = {"role": "master", "port": self.port, "session_key": KEY, "node_name": "stage"}
        return SyncSettings(**values | {"expected_slaves": slaves, "timeout_sec": 90, "ack_timeout_sec": 60} | more)

    def slave_settings(self, node: str, **more: Any) -> SyncSettings:
        values: dict[str, Any] = {"role": "slave", "port": self.port, "session_key": KEY, "node_name": node}
        values |= {"master_host": "127.0.0.1", "timeout_sec": 90, "ack_timeout_sec": 60, "retry_delay_sec": 0.05}
        return SyncSettings(**values | more)

    def master(self, slaves: int = 1, *, run: dict[str, Any] | None = None, **more: Any) -> Running:
        settings = self.master_settings(slaves, **more)
        return Running(lambda: run_master(settings, NAME, listener=self.listener, **run or {}))

    def slave(self, node: str, *, run: dict[str, Any] | None = None, **more: Any) -> Running:
        settings = self.slave_settings(node, **more)
        return Running(lambda: run_slave(settings, **run or {}))

    def connect(self, *lines: object) -> socket.socket:
        """Connect and send lines: bytes as they are, anything else as JSON."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        self.raw.append(connection)
        for line in lines:
            connection.sendall(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
        return connection

    def ready(self, node: str, **more: object) -> dict[str, object]:
        return {"session_key": KEY, "state": "ready", "role": "slave", "node_name": node} | more

    def close(self) -> None:
        for connection in self.raw:
            connection.close()
        self.listener.close()


def answer(connection: socket.socket, timeout: float = 60) -> dict[str, Any]:
    """Return the next message; empty when the other side closed."""
    connection.settimeout(timeout)
    line = b""
    while not line.endswith(b"\n"):
        try:
            byte = connection.recv(1)
        except ConnectionResetError:
            byte = b""
        if not byte:
            return {}
        line += byte
    found: dict[str, Any] = json.loads(line)
    return found
