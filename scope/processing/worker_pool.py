"""Processes that track, each with at most one stack; one that dies costs nobody a frame."""

import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from opticstream.scope.light_start import start_light
from opticstream.scope.processing.stack_task import StackResult, StackTask
from opticstream.scope.processing.worker import WorkerReady, WorkerSetup, worker_main

logger = logging.getLogger("opticstream.scope")

_PATIENCE_S = 60.0
_TRIES = 3
"""A stack at which so many workers have died is given up: it is the stack that kills them."""


@dataclass(eq=False)
class _Member:
    process: SpawnProcess
    pipe: Connection
    task: StackTask | None = None
    since: float = 0.0
    """When it got its stack, monotonic s."""


class WorkerPool:
    """Gives stacks to workers, and to another worker when one dies over it.

    Args:
        number: of processes.
        video_buffer: where the stacks are; a worker attaches by itself.
        setup: how to track.
        patience_s: who takes longer for a stack hangs, and is killed: results go on in order, so all would wait.
    """

    def __init__(self, number: int, video_buffer: Any, setup: WorkerSetup, *, patience_s: float = _PATIENCE_S) -> None:
        self._video, self._setup, self._patience_s = video_buffer, setup, patience_s
        self._again: deque[StackTask] = deque()
        self._deaths: dict[int, int] = {}
        self.died = 0
        """Workers that died."""
        self._began = 0
        self._members = [self._spawn() for _ in range(number)]

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [member.process.pid or 0 for member in self._members]

    @property
    def ready(self) -> bool:
        """Whether all have begun to work, which takes each of them a second or two, as `results` has heard."""
        return self._began >= len(self._members)

    @property
    def busy(self) -> int:
        """How many have a stack."""
        return sum(member.task is not None for member in self._members)

    @property
    def idle(self) -> int:
        """How many stacks can be given out now."""
        return len(self._members) - self.busy

    def waitables(self) -> list[Any]:
        """Return what is ready when a worker has something to say, or has died."""
        return [one for member in self._members for one in (member.pipe, member.process.sentinel)]

    def change(self, setup: WorkerSetup) -> None:
        """Track in another way, from the next stack on."""
        self._setup = setup
        for member in self._members:
            with suppress(OSError):
                member.pipe.send(setup)

    def submit(self, task: StackTask) -> None:
        """Give a stack to a worker that has none.

        Raises:
            RuntimeError: all have one.
        """
        for member in self._members:
            if member.task is None:
                member.task, member.since = task, time.monotonic()
                with suppress(OSError):  # it has died: `results` finds the task
                    member.pipe.send(task)
                return
        raise RuntimeError("every worker has a stack already")

    def results(self) -> list[StackResult]:
        """Return what has been finished; start workers anew that have died, and give out their stacks again."""
        found: list[StackResult] = []
        for place, member in enumerate(self._members):
            with suppress(EOFError, OSError):
                while member.pipe.poll(0):
                    result = member.pipe.recv()
                    if isinstance(result, WorkerReady):
                        self._began += 1
                        continue
                    member.task = None
                    self._deaths.pop(result.task.sequence, None)
                    found.append(result)
            if member.task is not None and time.monotonic() - member.since > self._patience_s:
                logger.error("a tracking process takes longer than %g s for a stack; it is killed", self._patience_s)
                member.process.kill()
                member.process.join(1.0)
            if not member.process.is_alive():
                self._members[place] = self._replace(member, found)
        while self._again and self.idle:
            self.submit(self._again.popleft())
        return found

    def close(self, patience_s: float) -> None:
        """End all workers within ``patience_s``, those that do not hear by killing them."""
        for member in self._members:
            with suppress(OSError):
                member.pipe.send(None)
        for member in self._members:
            member.process.join(patience_s / max(1, len(self._members)))
            if member.process.is_alive():
                member.process.kill()
                member.process.join(0.3)
            member.pipe.close()
        self._members.clear()

    def _replace(self, member: _Member, found: list[StackResult]) -> _Member:
        self.died += 1
        member.pipe.close()
        task = member.task
        logger.error("a tracking process ended with exit code %s", member.process.exitcode)
        if task is not None:
            deaths = self._deaths[task.sequence] = self._deaths.get(task.sequence, 0) + 1
            if deaths < _TRIES:
                self._again.append(task)
            else:
                del self._deaths[task.sequence]
                found.append(StackResult(task, None, error=f"{deaths} tracking processes died over it"))
        return self._spawn()

    def _spawn(self) -> _Member:
        spawn = get_context("spawn")
        near, far = spawn.Pipe()
        process = spawn.Process(
            target=worker_main, args=(far, self._video, self._setup), name="VideoWorker", daemon=True
        )
        start_light(process)
        far.close()
        return _Member(process, near)
