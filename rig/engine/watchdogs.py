"""Limits that end an acquisition which goes wrong; all are off by default."""

import math
from dataclasses import dataclass, fields
from pathlib import Path

from opticstream.core.errors import BadInput


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a running acquisition; None is not known."""

    running_s: float
    """Seconds since it was started."""

    silent_s: float | None
    """Seconds since its last output; None before the first."""

    complaint_s: float | None
    """Seconds since its first error output; None without any."""

    memory_bytes: int | None = None
    """Resident memory of all its processes."""

    free_bytes: int | None = None
    """Free space of the watched folder's disk."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which limit was passed, and what to say of it."""

    watchdog: str
    reason: str


@dataclass(frozen=True, slots=True)
class Watchdogs:
    """Which limits hold; 0 is off.

    Raises:
        BadInput: a number is negative or not finite, or a disk limit has no folder.
    """

    start_timeout_s: float = 0
    """Seconds until the first output."""

    no_output_s: float = 0
    """Seconds between two outputs; counts from the first one on."""

    error_output_grace_s: float | None = None
    """Seconds from the first error output until the acquisition is ended; None: off."""

    min_run_s: float = 0
    """Seconds an acquisition must have run for its end to count as completed, whatever it returned."""

    memory_bytes: int = 0
    """Resident memory of all its processes."""

    free_bytes: int = 0
    """Free space that must remain on the disk of ``disk_folder``."""

    disk_folder: Path | None = None
    """Where free space is looked at, usually the session folder."""

    interval_s: float = 0.5
    """Seconds between looks."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (int, float)) and not (math.isfinite(value) and value >= 0):
                raise BadInput(f"watchdog {field.name}", found=str(value), expected="a number of 0 or more")
        if not self.interval_s > 0:
            raise BadInput("watchdog interval_s", found=str(self.interval_s), expected="a number above 0")
        if self.free_bytes and self.disk_folder is None:
            raise BadInput("watchdog free_bytes", found="no disk_folder", expected="the folder whose disk is watched")

    @property
    def active(self) -> bool:
        """Whether there is anything to look at while the acquisition runs."""
        limits = (self.start_timeout_s, self.no_output_s, self.memory_bytes, self.free_bytes)
        return any(limits) or self.error_output_grace_s is not None

    def check(self, facts: Facts) -> Verdict | None:
        """Return the first limit that is passed, None when all hold."""
        if self.start_timeout_s and facts.silent_s is None and facts.running_s >= self.start_timeout_s:
            return Verdict("start_timeout", f"no output within {self.start_timeout_s:g} s of the start")
        if self.no_output_s and facts.silent_s is not None and facts.silent_s >= self.no_output_s:
            return Verdict("no_output", f"no output for {facts.silent_s:.1f} s (limit {self.no_output_s:g} s)")
        grace = self.error_output_grace_s
        if grace is not None and facts.complaint_s is not None and facts.complaint_s >= grace:
            return Verdict("error_output", "it wrote to its error output")
        if self.memory_bytes and facts.memory_bytes is not None and facts.memory_bytes > self.memory_bytes:
            return Verdict("memory", f"memory {_mb(facts.memory_bytes)}, limit {_mb(self.memory_bytes)}")
        if self.free_bytes and facts.free_bytes is not None and facts.free_bytes < self.free_bytes:
            return Verdict(
                "disk", f"{_mb(facts.free_bytes)} free at {self.disk_folder}, at least {_mb(self.free_bytes)} asked for"
            )
        return None


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
