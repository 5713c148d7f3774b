"""Work nobody does any more: the watcher of a ready unit or the process that held a stage is gone."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row, and_, exists, func, select

from opticstream.core.identifiers import UnitId
from opticstream.core.process_identity import ProcessIdentity, is_alive
from opticstream.state.database import Database, db_now
from opticstream.state.presence import absent_watchers
from opticstream.state.rows import to_ident
from opticstream.state.stages import required_stages
from opticstream.state.store import ProjectState
from opticstream.state.tables import claims, stages, units


def stalled_direct_units(state: ProjectState, level: str | None = None, stage: str | None = None) -> list[UnitId]:
    """Return the units whose stage a direct watcher may take over, oldest first.

    Ready ones whose watcher is gone (or that ``retry`` put back), and running ones whose claim's holder died here or
    let its lease run out elsewhere. Taking one is still decided by its claim.

    Args:
        state: the project.
        level: of the units; None: the innermost.
        stage: of the level; None: its first.
    """
    database = state.database
    gone = absent_watchers(database, state.row.id)
    kind = state.tree.level(level or state.tree.leaf.name)
    rows = open_work(state, kind.name, stage or kind.stages[0], ("direct",))
    return [to_ident(state.row, row) for row in rows if _is_stalled(row, gone, database)]


def open_work(
    state: ProjectState,
    level: str,
    stage: str,
    dispatch: Collection[str],
    *,
    statuses: Collection[str] = ("ready", "running"),
    limit: int | None = None,
) -> Sequence[Row[Any]]:
    """Return the rows of units that still have a stage before them, with who holds it, oldest first.

    A level's last stage is before a unit only when all others are committed. Each row also says ``now`` by the
    database's clock and whether somebody holds ``another`` stage of the unit.
    """
    kind = state.tree.level(level)
    others = claims.alias("others")
    done = stages.alias("done")
    statement = (
        select(
            units,
            claims.c.owner,
            claims.c.host,
            claims.c.pid,
            claims.c.birth,
            claims.c.lease_until,
            exists()
            .where(others.c.unit_id == units.c.id, others.c.outcome.is_(None), others.c.stage != stage)
            .label("another"),
            db_now().label("now"),
        )
        .outerjoin(stages, and_(stages.c.unit_id == units.c.id, stages.c.name == stage))
        .outerjoin(claims, and_(claims.c.unit_id == units.c.id, claims.c.stage == stage, claims.c.outcome.is_(None)))
        .where(
            units.c.project_id == state.row.id,
            units.c.level == level,
            units.c.status.in_(statuses),
            units.c.dispatch.in_(dispatch),
            stages.c.done_token.is_(None),
        )
        .order_by(units.c.updated_at, units.c.id)
        .limit(limit)
    )
    with state.database.peek() as connection:
        required = required_stages(connection, state.row, kind)
        if stage not in required:
            return []
        if stage == kind.last_stage:
            before = [name for name in required if name != stage]
            committed = (
                select(func.count())
                .where(done.c.unit_id == units.c.id, done.c.name.in_(before), done.c.done_token.is_not(None))
                .scalar_subquery()
            )
            statement = statement.where(committed == len(before))
        return connection.execute(statement).all()


def _is_stalled(row: Row[Any], gone: set[int], database: Database) -> bool:
    if row.status == "ready":
        return row.watcher_id is None or row.watcher_id in gone
    return holder_is_gone(row, database)


def holder_is_gone(row: Row[Any], database: Database) -> bool:
    """Say of a running unit's row whether its stage's holder died here, or let its lease run out elsewhere.

    A stage that nobody has begun while another one is in work gets the time that a ready unit has.
    """
    if row.host is None:
        return not row.another or bool(row.now - row.updated_at >= database.settings.reconcile_after_s)
    alive = is_alive(ProcessIdentity(row.host, row.pid, row.birth), database.settings.host_name)
    return not alive if alive is not None else bool(row.now > row.lease_until)
