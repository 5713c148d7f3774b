"""Session sync on loopback: from the last slave's connection to everybody's release, beside bare asyncio in the same run.

Run as ``python benchmarks/session_sync.py [SLAVES …]``. The slaves are in a process of their own, as light as they can
be, since the rigs' computers do not share the master's processor; all times are taken there.
"""

import asyncio
import json
import logging
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
import tracemalloc
from functools import partial
from pathlib import Path

from _emit import emit as result

from opticstream.rig.sync import SyncSettings, run_master

emit = partial(result, "session_sync")
_BARE = "bare asyncio without validation, roster, deadlines"
_LONGEST_S = 120


class Bare(asyncio.Protocol):
    """A master that trusts everybody."""

    def __init__(self, here: list["Bare"], acked: list["Bare"], expected: int, done: asyncio.Event) -> None:
        self.here, self.acked, self.expected, self.done = here, acked, expected, done
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Count, and speak when all are there."""
        message = json.loads(data)
        if message.get("state") == "ready":
            self.here.append(self)
            if len(self.here) == self.expected:
                self._all({"status": "announce", "session_key": "k", "session_name": "name"})
        elif message.get("status") == "ack":
            self.acked.append(self)
            if len(self.acked) == self.expected:
                self._all({"status": "complete", "session_name": "name"})
                self.done.set()

    def _all(self, message: dict[str, str]) -> None:
        for peer in self.here:
            assert peer.transport
            peer.transport.write(json.dumps(message).encode() + b"\n")


async def bare(listener: socket.socket, number: int) -> None:
    here: list[Bare] = []
    acked: list[Bare] = []
    done = asyncio.Event()
    server = await asyncio.get_running_loop().create_server(
        lambda: Bare(here, acked, number, done), sock=listener, backlog=4096
    )
    await done.wait()
    await asyncio.sleep(0.2)
    server.close()
    for peer in here:
        assert peer.transport
        peer.transport.close()
    await asyncio.sleep(0)


def own(listener: socket.socket, number: int) -> None:
    settings = SyncSettings(
        role="master",
        port=1,
        session_key="k",
        node_name="m",
        expected_slaves=number,
        timeout_sec=_LONGEST_S,
        ack_timeout_sec=_LONGEST_S,
    )
    roster = run_master(settings, "name", listener=listener, on_roster=lambda roster: None).roster
    assert len(roster.nodes) == number and not roster.missed


def play(slaves: subprocess.Popen[str], number: int, *, ours: bool) -> tuple[float, float, float]:
    """Return the seconds to the first and to the last release, and the bytes of Python objects for each waiting slave."""
    assert slaves.stdin and slaves.stdout
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    port = listener.getsockname()[1]
    if ours:
        work = threading.Thread(target=own, args=(listener, number))
    else:
        work = threading.Thread(target=lambda: asyncio.run(bare(listener, number)))
    work.start()
    print(port, file=slaves.stdin, flush=True)
    assert slaves.stdout.readline() == "waiting\n"
    time.sleep(0.1)
    held = tracemalloc.get_traced_memory()[0] / number if tracemalloc.is_tracing() else 0.0
    print("go", file=slaves.stdin, flush=True)
    first, last = json.loads(slaves.stdout.readline())
    work.join()
    return first, last, held


def measure(number: int) -> None:
    case = f"{number} slaves"
    script = str(Path(__file__).with_name("_sync_slaves.py"))
    with subprocess.Popen(
        [sys.executable, script, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as slaves:
        tracemalloc.start()
        held = play(slaves, number, ours=True)[2]
        tracemalloc.stop()
        rounds = [
            (play(slaves, number, ours=True)[:2], play(slaves, number, ours=False)[1])
            for _ in range(30 if number <= 32 else 10)
        ]
        assert slaves.stdin
        slaves.stdin.close()
    last = sorted(took for (_, took), _ in rounds)
    ratio = statistics.median(last) / statistics.median(floor for _, floor in rounds)
    emit(case, "last connects → all released, median", _ms(statistics.median(last)), "ms", ratio=ratio, against=_BARE)
    emit(case, "last connects → all released, p95", _ms(last[round(0.95 * (len(last) - 1))]), "ms")
    emit(case, "first to last release, median", _ms(statistics.median(end - start for (start, end), _ in rounds)), "ms")
    emit(case, "memory per waiting slave", round(held), "B")


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    logging.disable(logging.WARNING)
    for count in [int(text) for text in sys.argv[1:]] or [2, 32, 256, 1000]:
        measure(count)
