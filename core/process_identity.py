"""Who holds a claim: host, process and the moment the process was born, so that a reused pid is not mistaken."""

import os
import platform
import socket
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process of one host."""

    host: str
    pid: int
    birth: str

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


def process_birth(pid: int) -> str | None:
    """Return a text that is equal only for the same life of the same pid; None when it does not run.

    On Linux it is the boot id and the start tick, which no change of the wall clock moves; elsewhere the
    creation time psutil reports. A zombie does not run.
    """
    try:
        if Path("/proc/self/stat").exists():
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            return None if fields[0] in "ZX" else f"{_boot_id()}:{fields[19]}"
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except (FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):
        return None


@lru_cache(maxsize=1)
def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()[:8]


@lru_cache(maxsize=1)
def default_host_name() -> str:
    """Return this machine's name with a short machine id, so that cloned names stay apart."""
    try:
        machine = Path("/etc/machine-id").read_text("ascii").strip()
    except OSError:
        machine = f"{uuid.getnode():012x}"
    return f"{socket.gethostname() or platform.node()}-{machine[:6]}"


def this_process(host: str) -> ProcessIdentity:
    """Return the identity of the calling process under the host name the settings give."""
    pid = os.getpid()
    birth = process_birth(pid)
    assert birth is not None  # the caller runs  # noqa: S101
    return ProcessIdentity(host, pid, birth)


def is_alive(holder: ProcessIdentity, host: str) -> bool | None:
    """Say whether ``holder`` still runs; None when it lives on another host and cannot be asked."""
    if holder.host != host:
        return None
    return process_birth(holder.pid) == holder.birth
