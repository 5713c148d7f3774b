"""The watcher's gate: a unit found on disk becomes ready once, with the event that says so, in one transaction."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection

from opticstream.core.identifiers import UnitId
from opticstream.state.claims import revoke_claims
from opticstream.state.parents import settle_parent
from opticstream.state.rows import ProjectRow, announce, create_unit, update_unit
from opticstream.state.tables import stages
from opticstream.state.views import Status

Dispatch = Literal["direct", "event", "run"]


@dataclass(frozen=True, slots=True)
class Registration:
    """What the gate answered."""

    registered: bool
    """True when this call made the unit ready; exactly one caller gets it."""
    status: Status
    """The unit's status before the call."""
    changed: bool
    """The files differ from those the existing row was registered with."""
    dispatch_no: int = 0
    """Number under which it is offered, when this call made it ready."""


def register_ready(
    connection: Connection,
    project: ProjectRow,
    ident: UnitId,
    *,
    fingerprint: str,
    source: dict[str, Any],
    dispatch: Dispatch,
    watcher_id: int | None = None,
    force: bool = False,
) -> Registration:
    """Make a unit ready if it is absent or pending; any other row is left alone unless ``force`` is given.

    ``event`` writes the level's READY event beside it; ``direct`` does not, since its watcher runs the flow itself.
    A running unit is never forced: its claim is alive, or it is reclaimed.
    """
    row = create_unit(connection, project, ident)
    changed = row.fingerprint is not None and row.fingerprint != fingerprint
    if row.status != "pending" and not (force and row.status != "running"):
        return Registration(False, row.status, changed)
    if force:
        revoke_claims(connection, row.id)
        connection.execute(stages.delete().where(stages.c.unit_id == row.id))
    number = row.dispatch_no + 1
    update_unit(
        connection,
        row.id,
        status="ready",
        fingerprint=fingerprint,
        source=source,
        dispatch=dispatch,
        dispatch_no=number,
        watcher_id=watcher_id,
        milestones={},
        error=None,
        started_at=None,
        finished_at=None,
    )
    settle_parent(connection, project, ident)
    level = project.tree.level(ident)
    if dispatch == "event" and level.ready_event is not None:
        payload = {level.payload_key: ident.model_dump(mode="json"), **source}
        if force:
            payload |= {"force_rerun": True, "dispatch_no": number}
        announce(connection, ident, row.id, level.ready_event, payload, number)
    return Registration(True, row.status, changed, number)
