"""Frozen snapshots of what the store says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from opticstream.core.identifiers import UnitId

Status = Literal["pending", "ready", "running", "completed", "failed"]
STATUSES: tuple[Status, ...] = ("pending", "ready", "running", "completed", "failed")
Milestones = Mapping[str, bool]


def utc(seconds: float | None) -> datetime | None:
    """Return a database time as an aware UTC datetime."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


@dataclass(frozen=True, slots=True)
class UnitView:
    """One unit as it was when it was looked at."""

    ident: UnitId
    status: Status
    milestones: Milestones
    fingerprint: str | None
    source: Mapping[str, Any] | None
    """What is needed to process the unit (file list, ...), as registered."""
    dispatch: str | None
    dispatch_no: int
    attempts: int
    error: str | None
    claimed_by: str | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    children: Mapping[Status, int] | None = None
    """Children by status; only filled by ``read_*``."""

    @property
    def completed(self) -> bool:
        """True when it is done; failed is not done."""
        return self.status == "completed"


@dataclass(frozen=True, slots=True)
class ProjectView:
    """One project's row, and its units counted by level and status (``read_project`` only)."""

    name: str
    pipeline: str
    config: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    counts: Mapping[str, Mapping[Status, int]] | None = None
