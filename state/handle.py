"""The mutable unit that ``open_*`` yields: changes are written when the transaction ends, or not at all."""

from typing import Any

from sqlalchemy import Connection, Row

from opticstream.core.errors import StateError
from opticstream.core.identifiers import UnitId
from opticstream.core.text import storable
from opticstream.state.database import db_now
from opticstream.state.parents import settle_parent
from opticstream.state.rows import ProjectRow, announce, update_unit
from opticstream.state.stages import reopen_stages
from opticstream.state.views import STATUSES, Status


class UnitHandle:
    """One unit, locked. Attributes are read and set through methods; nothing is visible before the commit.

    Attributes:
        ident: the unit's identifier.
        row_id: its row in the store.
    """

    def __init__(self, project: ProjectRow, ident: UnitId, row: Row[Any]) -> None:
        self.ident = ident
        self.row_id: int = row.id
        self._project = project
        self._level = project.tree.level(ident)
        self._status: Status = row.status
        self._milestones: dict[str, bool] = dict(row.milestones)
        self._changes: dict[str, Any] = {}
        self._reopened = False
        self._events: list[tuple[str, dict[str, Any], int]] = []

    @property
    def status(self) -> Status:
        """The unit's status as it will be committed."""
        return self._status

    @property
    def milestones(self) -> dict[str, bool]:
        """A copy of the milestones as they will be committed."""
        return {name: self._milestones.get(name, False) for name in self._level.milestones}

    def mark(self, status: Status, *, error: str | None = None) -> None:
        """Set the status; ``completed`` and ``failed`` set the finish time, ``pending`` clears both times.

        A unit that was done and becomes ``pending`` or ``ready`` is to be done again.

        Raises:
            StateError: the status does not exist.
        """
        if status not in STATUSES:
            raise StateError(str(self.ident), found=f"status {status!r}", expected=f"one of {', '.join(STATUSES)}")
        self._status = status
        self._reopened = status in ("pending", "ready")
        self._changes |= {"status": status, "error": None if error is None else storable(error)}
        if status == "running":
            self._changes |= {"started_at": db_now(), "finished_at": None}
        elif status in ("completed", "failed"):
            self._changes["finished_at"] = db_now()
        else:
            self._changes |= {"started_at": None, "finished_at": None}

    def set_milestone(self, name: str, value: bool = True) -> None:
        """Set or clear a milestone; clearing one clears those that follow from it.

        Raises:
            StateError: the unit's level has no such milestone.
        """
        self._milestones[self._level.check_milestone(name)] = value
        if not value:
            for follower in self._level.cascades.get(name, ()):
                self.set_milestone(follower, False)
        self._changes["milestones"] = dict(self._milestones)

    def set_source(self, source: dict[str, Any]) -> None:
        """Replace what is stored for processing the unit (file list, ...)."""
        self._changes["source"] = source

    def announce(self, event: str, payload: dict[str, Any], occurrence: int) -> None:
        """Write an event's outbox row into this transaction; see :func:`opticstream.state.rows.announce`."""
        self._events.append((event, payload, occurrence))

    def flush(self, connection: Connection) -> None:
        """Write the changes and let the parent follow; before the commit, and again when that was cut off."""
        for event in self._events:
            announce(connection, self.ident, self.row_id, *event)
        if self._reopened:
            reopen_stages(connection, self._project, self.ident, self.row_id)
        if self._changes:
            update_unit(connection, self.row_id, **self._changes)
            settle_parent(connection, self._project, self.ident)
