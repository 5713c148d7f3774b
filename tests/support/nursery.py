"""Real processes that need no import: forked from one that has imported everything and done nothing with it.

A campaign of kills would spend nine tenths of its time on importing Prefect and numba. Run as a script, this is the
process that forks; POSIX only.
"""

import contextlib
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

STOP_AT = "TEST_STOP_AT"
"""In a process's environment: the pattern of a path; it stops itself (SIGSTOP) once, when it opens such a file first."""


class Nursling:
    """A process that was forked; looks like ``subprocess.Popen``."""

    def __init__(self, nursery: "Nursery", pid: int) -> None:
        self._nursery, self.pid = nursery, pid
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it goes on.
        """
        if self.returncode is None:
            self.returncode = self._nursery.ask({"wait": self.pid, "timeout": timeout})
        if self.returncode is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it is known to have ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """Forks processes that run ``python -m module …`` or ``python script …``.

    Args:
        environment: as it is when Prefect is imported, which reads its own settings then and never again.
        prefix: command in front of the interpreter; it must ``exec`` what follows it.
        plain: nothing is imported or compiled beforehand, for commands that need little of it.
    """

    def __init__(self, environment: dict[str, str], prefix: Sequence[str] = (), *, plain: bool = False) -> None:
        self._process = subprocess.Popen(
            [*prefix, sys.executable, __file__, *(["plain"] if plain else [])],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid

    def ask(self, order: dict[str, Any]) -> Any:
        """Give an order and return the answer.

        Raises:
            ChildProcessError: it has ended; with its exit code.
        """
        assert self._process.stdin and self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            if answer := self._process.stdout.readline():
                return json.loads(answer)
        raise ChildProcessError(self._process.wait())

    def start(self, command: list[str], environment: dict[str, str], log: Path) -> Nursling:
        """Fork a process; ``command`` begins with the interpreter, as for ``Popen``; ``log`` is appended to."""
        return Nursling(self, self.ask({"run": command[1:], "environment": environment, "log": str(log)}))

    def run(self, command: list[str], environment: dict[str, str], log: Path, *, expect: int = 0) -> str:
        """Run a command to its end, check its exit code, and return what it said, on standard error too."""
        before = log.stat().st_size if log.exists() else 0
        code = self.start(command, environment, log).wait(240)
        said = log.read_bytes()[before:].decode("utf-8", "replace")
        assert code == expect, f"exit code {code}\n{said}"
        return said

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin and self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _serve() -> list[str] | None:
    """Fork what is ordered; return its command in the new process, None at the end in the old one."""
    answers = os.fdopen(os.dup(1), "w")
    children: set[int] = set()
    while line := sys.stdin.readline():
        order = json.loads(line)
        if "run" in order:
            pid = os.fork()
            if not pid:
                os.environ.clear()
                os.environ.update(order["environment"])
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(log, 1)
                os.dup2(log, 2)
                return list(order["run"])
            children.add(pid)
            answers.write(f"{pid}\n")
        elif "hello" in order:
            answers.write("0\n")
        else:
            code = _reap(order["wait"], order["timeout"])
            if code is not None:
                children.discard(order["wait"])
            answers.write(f"{json.dumps(code)}\n")
        answers.flush()
    for pid in children:  # whoever ordered them is gone
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return None


def _reap(pid: int, timeout: float | None) -> int | None:
    deadline = time.monotonic() + (1e9 if timeout is None else timeout)
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            return None
        time.sleep(0.005)


def _stop_at(pattern: str) -> None:
    """Stop this process when it opens a file of that name: whoever waits for a moment cannot come too late for it."""
    met = False

    def on_event(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal met
        if met or event != "open" or not isinstance(arguments[0], str) or not re.search(pattern, arguments[0]):
            return
        met = True
        os.kill(os.getpid(), signal.SIGSTOP)

    sys.addaudithook(on_event)


def _prepare() -> None:
    from opticstream.core.settings import load_settings
    from opticstream.deployments import api, events_api, relay  # noqa: F401
    from opticstream.flows import archive_strip, lsm_watch, oct_watch, process_strip, process_tile_batch  # noqa: F401
    from opticstream.imaging.lsm import warm_strip_kernels
    from opticstream.imaging.psoct import warm_kernels

    for warm in (warm_strip_kernels, warm_kernels):
        warm(load_settings().kernels)


def _main() -> None:
    if sys.argv[1:] != ["plain"]:
        _prepare()
    command = _serve()
    if command is None:
        return
    if pattern := os.environ.pop(STOP_AT, ""):
        _stop_at(pattern)
    if command[0] == "-m":
        sys.argv = command[1:]
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = command
        runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    _main()
