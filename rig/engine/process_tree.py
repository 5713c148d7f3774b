"""All processes of an acquisition, and how they are ended."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from opticstream.core.process_identity import process_birth
from opticstream.rig.engine.windows_job import WindowsJob

_log = logging.getLogger("opticstream.rig")
MARK = "OPTICSTREAM_ACQUISITION"
"""Environment variable every process of an acquisition inherits; its value names the acquisition."""

_PROC = Path("/proc")
_HAS_PROC = (_PROC / "self" / "environ").exists()
_TERMINATE_S = 3.0
_KILL_S, _KILLS = 5.0, 10


class ProcessTree:
    """The process that was started and all that came of it.

    Found are its descendants, what is in its session (on Windows: in its job object, not verified here), and what
    carries its mark in the environment: a grandchild that left group, session and parents is still found by that,
    unless it also cleared its environment.

    Args:
        root: process id of the main process; None when it is not known.
        birth: which life of that number, as `process_birth` says; None: it had ended before it could be asked.
        mark: value of the environment variable ``OPTICSTREAM_ACQUISITION``.
        job: Windows' job object.
    """

    def __init__(self, root: int | None, birth: str | None, mark: str, job: WindowsJob | None = None) -> None:
        self._root, self._birth, self._mark, self._job = root, birth, mark, job

    def members(self) -> list[psutil.Process]:
        """Return the processes that live now; the main one first if it does."""
        found: dict[int, psutil.Process] = {}
        for pid in self._pids():
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE:
                    found[pid] = process
        for process in list(found.values()):
            with suppress(psutil.Error):
                found.update((child.pid, child) for child in process.children(recursive=True) if _lives(child))
        found.pop(os.getpid(), None)
        return sorted(found.values(), key=lambda process: process.pid != self._root)

    def memory(self) -> int:
        """Return the resident memory of all, in bytes; what they share is counted for each."""
        total = 0
        for process in self.members():
            with suppress(psutil.Error):
                total += process.memory_info().rss
        return total

    def interrupt(self) -> None:
        """Ask as Ctrl+C does: SIGINT to the main process's group, on Windows Ctrl+Break (not verified here)."""
        if self._root is None or self._taken():
            return
        with suppress(OSError):
            if sys.platform == "win32":
                os.kill(self._root, signal.CTRL_BREAK_EVENT)
            else:
                os.killpg(self._root, signal.SIGINT)

    def end(
        self, await_main: Callable[[float], object], grace_s: float, *, gently: bool = True
    ) -> list[psutil.Process]:
        """End all: interrupt and wait, terminate, kill; at most ``grace_s`` + 8 s.

        Args:
            await_main: waits that many seconds at most for the end of the main process.
            grace_s: seconds to wait after the interrupt, 0 or more.
            gently: begin with the interrupt; otherwise with terminate.

        Returns:
            Processes that could not be ended.
        """
        if gently:
            self.interrupt()
            await_main(grace_s)
        members = self.members()
        _each(members, psutil.Process.terminate)
        _await(members, _TERMINATE_S if gently else grace_s)
        deadline, kills = time.monotonic() + _KILL_S, 0
        while members := self.members():  # again: what is being killed may still start others
            # Time alone says nothing where this process stood still: they have not been killed so often yet.
            if time.monotonic() > deadline and kills >= _KILLS:
                names = ", ".join(f"{_name(process)} ({process.pid})" for process in members)
                _log.error("These processes of the acquisition cannot be ended: %s", names)
                return members
            if self._job:
                self._job.kill()
            _each(members, psutil.Process.kill)
            _await(members, 0.5)
            kills += 1
        return []

    def _pids(self) -> Iterable[int]:
        ours = self._root is not None and not self._taken()
        if self._root is not None and ours:
            yield self._root
        if self._job:
            yield from self._job.pids()
        wanted = f"{MARK}={self._mark}".encode()
        for pid in psutil.pids():
            if (ours and self._in_session(pid)) or _has(pid, wanted):
                yield pid

    def _taken(self) -> bool:
        """Say whether the main process's number is another's now; while its session has members it cannot be."""
        assert self._root is not None  # noqa: S101
        return process_birth(self._root) not in (None, self._birth)

    def _in_session(self, pid: int) -> bool:
        if sys.platform == "win32":
            return False
        try:
            return os.getsid(pid) == self._root
        except OSError:
            return False


def _has(pid: int, wanted: bytes) -> bool:
    """Say whether a process has ``NAME=value`` in its environment; others' processes cannot be asked."""
    try:
        if _HAS_PROC:
            return wanted in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
        name, _, value = wanted.decode().partition("=")
        return psutil.Process(pid).environ().get(name) == value
    except (OSError, psutil.Error):
        return False


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _await(members: list[psutil.Process], timeout_s: float) -> None:
    """Wait for processes without reaping the main one: its number must stay taken until all are gone."""
    deadline = time.monotonic() + timeout_s
    while any(_lives(process) for process in members) and time.monotonic() < deadline:
        time.sleep(0.01)


def _each(members: list[psutil.Process], action: Callable[[psutil.Process], object]) -> None:
    for process in members:
        with suppress(psutil.Error):
            action(process)


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return "?"
