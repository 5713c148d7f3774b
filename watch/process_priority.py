"""Keeps the priority of the acquisition program high, so that processing beside it costs no frames."""

import logging
import os
import threading
from contextlib import ExitStack
from typing import Self

import psutil

from opticstream.core.background import in_background
from opticstream.core.errors import BadInput

_log = logging.getLogger("opticstream.watch")

_WINDOWS_CLASSES = {
    "idle": "IDLE_PRIORITY_CLASS",
    "below_normal": "BELOW_NORMAL_PRIORITY_CLASS",
    "normal": "NORMAL_PRIORITY_CLASS",
    "above_normal": "ABOVE_NORMAL_PRIORITY_CLASS",
    "high": "HIGH_PRIORITY_CLASS",
    "realtime": "REALTIME_PRIORITY_CLASS",
}
_NICE = {"idle": 10, "below_normal": 5, "normal": 0, "above_normal": -2, "high": -5, "realtime": -15}


def check_priority(text: str) -> int:
    """Return what the operating system calls a priority.

    Args:
        text: idle, below_normal, normal, above_normal, high or realtime, any case; on POSIX also a nice value,
            -20 to 19.

    Returns:
        On POSIX the nice value, on Windows the priority class.

    Raises:
        BadInput: it is none of these.
    """
    name = text.strip().lower().replace("-", "_") if not _is_number(text) else text.strip()
    classes = ", ".join(_NICE)
    if os.name == "nt":
        if name in _WINDOWS_CLASSES:
            return int(getattr(psutil, _WINDOWS_CLASSES[name]))
        raise BadInput("--priority", found=repr(text), expected=f"one of {classes}")
    if name in _NICE:
        return _NICE[name]
    if _is_number(text) and -20 <= int(text) <= 19:
        return int(text)
    raise BadInput("--priority", found=repr(text), expected=f"one of {classes}, or a nice value from -20 to 19")


def _is_number(text: str) -> bool:
    digits = text.strip().removeprefix("-").removeprefix("+")
    return digits.isascii() and digits.isdigit() and len(digits) < 4


class PriorityKeeper:
    """Sets the priority of every process of a name, again and again, in a thread of its own while a with block runs.

    Args:
        name: the executable's name, any case, with or without ``.exe``.
        priority: see `check_priority`.
        interval_s: seconds between looks at the processes, above 0.

    Raises:
        BadInput: the name is empty, the priority unknown, or the interval not above 0.
    """

    def __init__(self, name: str, priority: str = "high", interval_s: float = 60.0) -> None:
        self._name = _plain(name)
        if not self._name:
            raise BadInput("process name", found=repr(name), expected="the name of a program, such as AndorSolis")
        if not interval_s > 0:
            raise BadInput("priority interval", found=str(interval_s), expected="a number of seconds above 0")
        self._text, self._priority, self._interval_s = priority, check_priority(priority), interval_s
        self._denied: set[psutil.Process] = set()
        self._running = ExitStack()

    def __enter__(self) -> Self:
        self._running.enter_context(in_background("priority", self._keep))
        return self

    def __exit__(self, *error: object) -> None:
        self._running.close()

    def look(self) -> list[int]:
        """Set the priority where it differs, once; return the process ids it was set for.

        A process that denies it is one warning, however often it is met.
        """
        changed = []
        denied: set[psutil.Process] = set()
        for process in psutil.process_iter(["name"]):
            if _plain(process.info["name"] or "") != self._name:
                continue
            try:
                if process.nice() == self._priority:
                    continue
                process.nice(self._priority)
            except psutil.NoSuchProcess:
                continue
            except psutil.AccessDenied:
                denied.add(process)
                if process not in self._denied:
                    _log.warning(
                        "The priority of %s (process %d) may not be set to %s; run the watcher with more rights",
                        process.info["name"],
                        process.pid,
                        self._text,
                    )
                continue
            changed.append(process.pid)
            _log.info("%s (process %d) has priority %s now", process.info["name"], process.pid, self._text)
        self._denied = denied
        return changed

    def _keep(self, ended: threading.Event) -> None:
        while not ended.is_set():
            try:
                self.look()
            except (OSError, psutil.Error) as error:  # the list of processes; a later look may work
                _log.warning("The processes cannot be listed: %s", error)
            ended.wait(self._interval_s)


def _plain(name: str) -> str:
    return name.strip().casefold().removesuffix(".exe")
