"""A scope that runs beside a benchmark, what its processes cost, and a device that only answers."""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil

from opticstream.scope import MagScope
from opticstream.scope.hardware import HardwareManagerBase
from opticstream.scope.ipc import Command, Delivery, register_ipc_command

_PATIENCE_S = 120.0


@dataclass(frozen=True)
class Ping(Command):
    """To the device; says when it was sent, s of the benchmark's counter."""

    sent: float


@dataclass(frozen=True)
class Pong(Command):
    """The device's answer, with what it was asked."""

    sent: float


class Echo(HardwareManagerBase):
    """Answers; has nothing of its own to do, and so says how often it wants a turn."""

    loop_interval_s = 1.0

    def connect(self) -> None:
        """Nothing to connect to."""

    def disconnect(self) -> None:
        """Nothing to let go."""

    def fetch(self) -> None:
        """Nothing to read."""

    @register_ipc_command(Ping)
    def ping(self, sent: float) -> None:
        """Answer at once."""
        self.send_ipc(Pong(sent))


class Answered(MagScope):
    """A scope that takes the answers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.trips: list[float] = []
        self.answered = threading.Event()

    @register_ipc_command(Pong, Delivery.MAG_SCOPE)
    def pong(self, sent: float) -> None:
        """Note how long the trip took, s; the scope's own thread is its end, as it was its beginning."""
        self.trips.append(time.perf_counter() - sent)
        self.answered.set()


@contextmanager
def running(scope: MagScope) -> Iterator[MagScope]:
    """Run a scope in a thread of its own until the block ends.

    Raises:
        RuntimeError: it did not come up, or it ended badly.
    """
    thread = threading.Thread(target=scope.start, name="scope")
    thread.start()
    try:
        if not scope.up.wait(_PATIENCE_S):
            raise RuntimeError(f"the scope did not come up: {scope.outcome}")
        yield scope
    finally:
        if not scope.over.is_set():
            scope.request_stop("measured")
        thread.join()
    if scope.outcome is None or not scope.outcome.succeeded:
        raise RuntimeError(f"the scope ended badly: {scope.outcome}, {list(scope.problems)}")


@dataclass(frozen=True)
class Spent:
    """What the processes used up to now."""

    at: float
    cpu: Counter[str]
    """CPU seconds by process; the parent's are the benchmark's too."""
    wakes: Counter[str]
    """How often the process's first thread went to sleep."""

    def since(self, before: "Spent") -> tuple[dict[str, float], dict[str, float]]:
        """Return per cent of a core, and wakes per second, by process since ``before``."""
        took = self.at - before.at
        cpu = {name: (used - before.cpu[name]) / took * 100 for name, used in self.cpu.items()}
        return cpu, {name: (count - before.wakes[name]) / took for name, count in self.wakes.items()}


def spent(scope: MagScope) -> Spent:
    """Return what the scope's processes, and theirs, used up to now."""
    found = Spent(time.perf_counter(), Counter(), Counter())
    named = {manager.pid: name for name, manager in scope.processes.items()}
    tracks = scope.video_processor_manager.pid
    number = int(scope.settings["video processors n"])
    own = sorted(psutil.Process(tracks).children(), key=lambda child: child.create_time())
    named |= {child.pid: "workers" if place < number else "file writer" for place, child in enumerate(own)}
    for pid, name in {os.getpid(): "parent", **named}.items():
        process = psutil.Process(pid)
        times = process.cpu_times()
        found.cpu[name] += times.user + times.system
        found.wakes[name] += process.num_ctx_switches().voluntary
    return found
