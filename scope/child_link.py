"""The scope's end of one of its processes."""

import threading
from collections import deque
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from opticstream.scope.child_main import child_main
from opticstream.scope.ipc.command import Command
from opticstream.scope.light_start import start_light
from opticstream.scope.manager_process import ManagerProcessBase
from opticstream.scope.shared import Shared

_MOST_WAITING = 10_000
"""Commands for a process that does not take them; one more, and it counts as stuck."""


class ChildLink:
    """Starts a manager's process, sends it commands without ever waiting for it, and hears of its end.

    A process that hangs does not empty its pipe, and whoever writes into a full pipe waits; so a thread of this
    process writes, and nobody waits for that thread.

    Args:
        manager: what the process runs.
        shared: what it is given.
        kept: what an earlier life of it asked to be kept.
    """

    def __init__(self, manager: ManagerProcessBase, shared: Shared, kept: dict[str, Any]) -> None:
        self.manager = manager
        self.stuck = False
        self._waiting: deque[Command] = deque()
        self._something = threading.Condition()
        self._closed = False
        spawn = get_context("spawn")
        self.pipe, far = spawn.Pipe()
        try:
            self._process = spawn.Process(
                target=child_main, args=(manager, far, shared, kept), name=manager.name, daemon=False
            )
            start_light(self._process, pickled=(manager, shared.registry, kept))
        except BaseException:
            self.pipe.close()
            raise
        finally:
            far.close()
        manager._process = self._process
        self._thread = threading.Thread(
            target=self._send, args=(self.pipe,), name=f"commands for {manager.name}", daemon=True
        )
        self._thread.start()

    @property
    def sentinel(self) -> int:
        """Is ready when the process has ended."""
        return self._process.sentinel

    @property
    def exitcode(self) -> int | None:
        """How it ended; None: it has not."""
        return self._process.exitcode

    def is_alive(self) -> bool:
        """Return whether the process runs."""
        return self._process.is_alive()

    def send(self, command: Command) -> None:
        """Send a command; what is sent to the dead is lost."""
        with self._something:
            if self._closed:
                return
            if len(self._waiting) >= _MOST_WAITING:
                self.stuck = True
                return
            self._waiting.append(command)
            self._something.notify()

    def terminate(self) -> None:
        """Ask the system to end it; it closes its files where it still can."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def close(self, timeout_s: float = 0.5) -> None:
        """Take note that the process has ended: nothing is sent any more."""
        with self._something:
            self._closed = True
            self._something.notify()
        self._process.join(timeout_s)
        self._thread.join(timeout_s)  # its reader is dead, so its writing has failed
        self.pipe.close()

    def _send(self, pipe: Connection) -> None:
        with suppress(OSError, ValueError):
            while True:
                with self._something:
                    while not self._waiting and not self._closed:
                        self._something.wait()
                    if self._closed and not self._waiting:
                        return
                    command = self._waiting.popleft()
                pipe.send(command)
        with self._something:
            self._closed = True
            self._waiting.clear()
