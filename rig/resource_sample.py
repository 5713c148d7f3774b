"""One look at what launcher, acquisition and machine use."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

Members = Callable[[], Iterable[psutil.Process]]
"""Gives the acquisition's living processes, such as ``running.tree.members``."""

Rates = dict[str, int | None]

_MB, _GB = 1e6, 1e9
_ALL = ""
_UNKNOWN: Rates = {"read_bps": None, "write_bps": None}


class ResourceSampler:
    """Measures; rates and percentages are over the time since the previous sample, so the first one has none.

    Args:
        folder: whose disk is the one that fills up, the session folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._launcher = psutil.Process()
        self._at: float | None = None
        self._busy: dict[psutil.Process, tuple[float, int, int]] = {}
        self._disks: dict[str, tuple[int, int]] = {}
        psutil.cpu_percent(None)
        self._launcher.cpu_percent(None)

    def sample(self, members: Members | None) -> dict[str, Any]:
        """Return one entry of ``resource_usage.json``.

        Sizes are in MB (1e6 bytes) and GB (1e9 bytes), rates in bytes per second; 100 cpu_percent are one core busy
        for launcher and acquisition, all cores for the system. What the system does not tell is None.

        Args:
            members: gives the acquisition's processes; None: there is no acquisition.
        """
        now = time.monotonic()
        seconds = None if self._at is None else max(now - self._at, 1e-3)
        self._at = now
        memory = psutil.virtual_memory()
        total, each = self._disk_rates(seconds)
        return {
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "launcher": {
                "cpu_percent": self._launcher.cpu_percent(None),
                "memory_mb": round(self._launcher.memory_info().rss / _MB, 1),
            },
            "system": {
                "cpu_percent": psutil.cpu_percent(None),
                "memory": {
                    "percent": memory.percent,
                    "used_mb": round(memory.used / _MB, 1),
                    "available_mb": round(memory.available / _MB, 1),
                },
                "disk": _usage(self._folder),
                "io": total,
                "disks": [_disk(partition, each) for partition in psutil.disk_partitions(all=False)],
            },
            "acquisition": None if members is None else self._acquisition(members, seconds),
        }

    def _acquisition(self, members: Members, seconds: float | None) -> dict[str, Any] | None:
        """Sum up the tree; a process that has come since the last sample counts from its beginning."""
        before, self._busy = self._busy, {}
        used = read = written = 0
        cpu = 0.0
        for process in members():
            with suppress(psutil.Error):
                times, rss = process.cpu_times(), process.memory_info().rss
                now = (times.user + times.system, *_io(process))
                self._busy[process] = now
                used += rss
                old = before.get(process, (0.0, 0, 0))
                cpu, read, written = cpu + now[0] - old[0], read + now[1] - old[1], written + now[2] - old[2]
        if not self._busy:
            return None
        rates: dict[str, float | None] = {"cpu_percent": None, **_UNKNOWN}
        if seconds is not None:
            rates = {
                "cpu_percent": round(100 * cpu / seconds, 1),
                "read_bps": round(read / seconds),
                "write_bps": round(written / seconds),
            }
        return {"memory_mb": round(used / _MB, 1), "processes": len(self._busy), **rates}

    def _disk_rates(self, seconds: float | None) -> tuple[Rates, dict[str, Rates]]:
        """Return the rates of all disks together and of each by its name; a counter that fell was reset."""
        before, self._disks = self._disks, {}
        for name, counters in (psutil.disk_io_counters(perdisk=True, nowrap=True) or {}).items():
            self._disks[name] = counters.read_bytes, counters.write_bytes
        whole = psutil.disk_io_counters(perdisk=False, nowrap=True)
        if whole is not None:
            self._disks[_ALL] = whole.read_bytes, whole.write_bytes
        rates: dict[str, Rates] = {}
        if seconds is not None:
            for name in self._disks.keys() & before.keys():
                (read, written), (old_read, old_written) = self._disks[name], before[name]
                rates[name] = {
                    "read_bps": round(max(0, read - old_read) / seconds),
                    "write_bps": round(max(0, written - old_written) / seconds),
                }
        return rates.pop(_ALL, _UNKNOWN), rates


def _io(process: psutil.Process) -> tuple[int, int]:
    """Return bytes read and written; zeros where that is a secret, or not counted (macOS)."""
    try:
        counters = process.io_counters()
        return counters.read_bytes, counters.write_bytes
    except (psutil.Error, AttributeError, NotImplementedError):
        return 0, 0


def _usage(folder: Path | str) -> dict[str, float] | None:
    try:
        usage = psutil.disk_usage(str(folder))
    except OSError:
        return None
    return {
        "percent": usage.percent,
        "free_gb": round(usage.free / _GB, 3),
        "total_gb": round(usage.total / _GB, 3),
    }


def _disk(partition: Any, rates: dict[str, Rates]) -> dict[str, Any]:
    """Describe a mounted disk; where the system counts by another name, as Windows does, its rates are None."""
    name = Path(partition.device).resolve().name if partition.device.startswith("/") else "?"
    return {
        "device": partition.device,
        "mountpoint": partition.mountpoint,
        "fstype": partition.fstype,
        **(_usage(partition.mountpoint) or {"percent": None, "free_gb": None, "total_gb": None}),
        **rates.get(name, _UNKNOWN),
    }
