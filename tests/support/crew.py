"""Processes that work on one project, each on a host of its own, started again when they are killed."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from support.nursery import Nursery, Nursling


class Crew:
    """Starts the commands at once; the first ones end when told to (SIGTERM), the others when ``stop`` appears.

    Args:
        commands: one per process.
        environment: of all; each gets a host name of its own.
        folder: receives their log and ``stop``.
        nursery: forks them; None: each is started as a program.
    """

    def __init__(
        self, commands: Sequence[list[str]], environment: dict[str, str], folder: Path, nursery: Nursery | None = None
    ) -> None:
        self._commands, self._environment, self._nursery = commands, environment, nursery
        self.stop, self._path = folder / "stop", folder / "log.txt"
        self._log = self._path.open("ab")
        self.processes = [self._start(index) for index in range(len(commands))]

    @staticmethod
    def host(index: int) -> str:
        """Return the host name of a process."""
        return f"host-{index}"

    @property
    def log(self) -> str:
        """The end of what they said."""
        return self._path.read_text("utf-8", "replace")[-4000:]

    def _start(self, index: int) -> "subprocess.Popen[bytes] | Nursling":
        environment = self._environment | {"OPTICSTREAM_HOST_NAME": self.host(index)}
        if self._nursery is not None:
            return self._nursery.start(self._commands[index], environment, self._path)
        return subprocess.Popen(self._commands[index], env=environment, stdout=self._log, stderr=self._log)

    def kill(self, index: int) -> None:
        """Kill a process; it is not started again yet."""
        self.processes[index].kill()
        self.processes[index].wait()

    def restart(self, index: int) -> None:
        """Start a process that was killed."""
        self.processes[index] = self._start(index)

    def end(self) -> list[int | None]:
        """Let all end; return their exit codes. One that does not listen is killed."""
        self.stop.touch()
        for process, command in zip(self.processes, self._commands, strict=True):
            if "watch" in command:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(120)  # it ends what it has in hand
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._log.close()
        return [process.returncode for process in self.processes]
