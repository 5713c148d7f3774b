"""Peers as the old launcher behaves, written from the table of facts (F062 to F065), with blocking sockets."""

import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any


class OldChannel:
    """Newline-delimited compact JSON with a time limit for each receive."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._rest = connection, b""

    def send(self, payload: dict[str, Any]) -> None:
        self._connection.sendall(json.dumps(payload, separators=(",", ":")).encode() + b"\n")

    def receive(self, timeout: float) -> Any:
        self._connection.settimeout(timeout)
        while b"\n" not in self._rest:
            data = self._connection.recv(4096)
            if not data:
                raise ConnectionError("peer closed the connection")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    def close(self) -> None:
        self._connection.close()


def old_slave(
    port: int,
    key: str,
    node: str | None,
    *,
    host: str = "127.0.0.1",
    timeout: float = 60,
    ack_timeout: float = 60,
    retry_delay: float = 0.05,
) -> str:
    """Take part as an old slave; return the name it would use."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            connection = socket.create_connection((host, port), timeout=timeout)
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(retry_delay)
    channel = OldChannel(connection)
    try:
        ready = {"session_key": key, "state": "ready", "role": "slave"}
        channel.send(ready | ({"node_name": node} if node else {}))
        announce = channel.receive(ack_timeout)
        if announce.get("status") != "announce" or announce.get("session_key") != key:
            raise RuntimeError(f"unexpected payload {announce}")
        name: str = announce["session_name"]
        channel.send({"status": "ack", "session_name": name, "node_name": node})
        done = channel.receive(ack_timeout)
        if done.get("status") != "complete":
            raise RuntimeError(f"unexpected payload {done}")
        return name
    finally:
        channel.close()


def old_master(listener: socket.socket, key: str, name: str, expected: int, *, ack_timeout: float = 60) -> list[str]:
    """Run the barrier as an old master on a listening socket; return the nodes it counted."""
    nodes: list[tuple[str, OldChannel]] = []
    try:
        with listener:
            listener.settimeout(ack_timeout)
            while len(nodes) < expected:
                connection, address = listener.accept()
                channel = OldChannel(connection)
                ready = channel.receive(ack_timeout)
                reason = "session_key_mismatch" if ready.get("session_key") != key else ""
                reason = reason or ("" if ready.get("state") == "ready" else "invalid_state")
                if reason:
                    channel.send({"status": "error", "reason": reason})
                    channel.close()
                    continue
                nodes.append((ready.get("node_name") or str(address), channel))
        message = {"session_key": key, "session_name": name, "expected_slaves": expected, "master": "old"}
        for _, channel in nodes:
            channel.send({"status": "announce", **message})
        try:
            for node, channel in nodes:
                ack = channel.receive(ack_timeout)
                if ack.get("status") != "ack" or ack.get("session_name") != name:
                    raise RuntimeError(f"bad acknowledgement from {node}: {ack}")
        except Exception as error:
            for _, channel in nodes:
                channel.send({"status": "error", "reason": str(error)})
            raise
        for _, channel in nodes:
            channel.send({"status": "complete", "session_name": name})
        return [node for node, _ in nodes]
    finally:
        for _, channel in nodes:
            channel.close()


class Running:
    """A function in a thread, whose result or exception is taken with `done`."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._result: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work,))
        self._thread.start()

    def _run(self, work: Callable[[], Any]) -> None:
        try:
            self._result = work()
        except BaseException as error:
            self._error = error

    def done(self, timeout: float = 100) -> Any:
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "it hangs"
        if self._error is not None:
            raise self._error
        return self._result
