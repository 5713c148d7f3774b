"""Slaves of a session sync, as light as they can be: ``python _sync_slaves.py SLAVES``, one round for each port it reads."""

import asyncio
import json
import resource
import sys
import time
from functools import partial


class Slave(asyncio.Protocol):
    """The least that takes part: acknowledges what is announced."""

    def __init__(self, number: int, released: list[float], done: asyncio.Event, expected: int) -> None:
        self.number, self.released, self.done, self.expected = number, released, done, expected
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        ready = {"session_key": "k", "state": "ready", "role": "slave", "node_name": f"s{self.number}", "protocol": 2}
        transport.write(json.dumps(ready).encode() + b"\n")

    def data_received(self, data: bytes) -> None:
        """Answer, and note the time of the release."""
        assert self.transport
        message = json.loads(data)
        answer = {"session_name": message["session_name"], "node_name": f"s{self.number}"}
        if message["status"] == "announce":
            now = time.time()
            answer |= {"status": "ack", "received_at": now, "sent_at": now}
            self.transport.write(json.dumps(answer).encode() + b"\n")
            return
        self.released.append(time.perf_counter())
        self.transport.write(json.dumps(answer | {"status": "released"}).encode() + b"\n")
        if len(self.released) == self.expected:
            self.done.set()


async def play(port: int, number: int) -> None:
    """Connect all but one, wait for a word, connect the last; print when the first and the last were released."""
    released: list[float] = []
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    peers = [
        await loop.create_connection(partial(Slave, index, released, done, number), "127.0.0.1", port)
        for index in range(1, number)
    ]
    print("waiting", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    began = time.perf_counter()
    peers.append(await loop.create_connection(partial(Slave, 0, released, done, number), "127.0.0.1", port))
    await done.wait()
    print(json.dumps([min(released) - began, max(released) - began]), flush=True)
    for transport, _ in peers:
        transport.close()
    await asyncio.sleep(0)


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for line in sys.stdin:
        asyncio.run(play(int(line), int(sys.argv[1])))
