"""Direct units nobody works on any more: their watcher or the process that held them is gone."""

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
    statement = (
        select(units, claims.c.host, claims.c.pid, claims.c.birth, claims.c.lease_until, db_now().label("now"))
        .outerjoin(claims, (claims.c.unit_id == units.c.id) & claims.c.outcome.is_(None))
        .where(
            units.c.project_id == state.row.id,
            units.c.level == state.tree.leaf.name,
            units.c.status.in_(("ready", "running")),
            units.c.dispatch == "direct",
        )
        .order_by(units.c.updated_at)
    )
    with database.peek() as connection:
        rows = connection.execute(statement).all()
    return [to_ident(state.row, row) for row in rows if _is_stalled(row, gone, database)]


def _is_stalled(row: Row[Any], gone: set[int], database: Database) -> bool:
    if row.status == "ready":
        return row.watcher_id is None or row.watcher_id in gone
    if row.host is None:
        return True
    alive = is_alive(ProcessIdentity(row.host, row.pid, row.birth), database.settings.host_name)
    return not alive if alive is not None else bool(row.now > row.lease_until)
