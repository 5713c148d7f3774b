"""Direct units nobody works on any more: their watcher or the process that held them is gone."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select

from opticstream.core.identifiers import UnitId
from opticstream.core.process_identity import ProcessIdentity, is_alive
from opticstream.state.database import Database, db_now
from opticstream.state.presence import absent_watchers
from opticstream.state.rows import to_ident
from opticstream.state.store import ProjectState
from opticstream.state.tables import claims, units


def stalled_direct_units(state: ProjectState) -> list[UnitId]:
    """Return the leaf units a direct watcher may take over, oldest first.

    Ready ones whose watcher is gone (or that ``retry`` put back), and running ones whose claim's holder died here or
    let its lease run out elsewhere. Taking one is still decided by its claim.
    """
    database = state.database
    gone = absent_watchers(database, state.row.id)
    rows = open_leaves(state, ("direct",))
    return [to_ident(state.row, row) for row in rows if _is_stalled(row, gone, database)]


def open_leaves(state: ProjectState, dispatch: tuple[str, ...]) -> Sequence[Row[Any]]:
    """Return the rows of ready and running leaf units of some ways of dispatch, with their holder, oldest first."""
    statement = (
        select(
            units,
            claims.c.owner,
            claims.c.host,
            claims.c.pid,
            claims.c.birth,
            claims.c.lease_until,
            db_now().label("now"),
        )
        .outerjoin(claims, (claims.c.unit_id == units.c.id) & claims.c.outcome.is_(None))
        .where(
            units.c.project_id == state.row.id,
            units.c.level == state.tree.leaf.name,
            units.c.status.in_(("ready", "running")),
            units.c.dispatch.in_(dispatch),
        )
        .order_by(units.c.updated_at, units.c.id)
    )
    with state.database.peek() as connection:
        return connection.execute(statement).all()


def _is_stalled(row: Row[Any], gone: set[int], database: Database) -> bool:
    if row.status == "ready":
        return row.watcher_id is None or row.watcher_id in gone
    return holder_is_gone(row, database)


def holder_is_gone(row: Row[Any], database: Database) -> bool:
    """Say of a running unit's row whether its holder died here, or let its lease run out elsewhere."""
    if row.host is None:
        return True
    alive = is_alive(ProcessIdentity(row.host, row.pid, row.birth), database.settings.host_name)
    return not alive if alive is not None else bool(row.now > row.lease_until)
