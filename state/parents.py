"""A parent follows its children, in the transaction that changes the child: two last children cannot miss each other."""

from typing import Any

from sqlalchemy import Connection, Row, func, select

from opticstream.core.identifiers import UnitId
from opticstream.state.database import Database, db_now
from opticstream.state.rows import ProjectRow, announce, find_unit, lock_unit, project_config, to_ident, update_unit
from opticstream.state.stages import required_stages
from opticstream.state.tables import units
from opticstream.state.tree import Level


def counts(level: Level, row: Row[Any] | dict[str, Any]) -> bool:
    """Say whether a unit's row counts for its parent."""
    values = row if isinstance(row, dict) else row._mapping
    if level.counts_when == "completed":
        return bool(values["status"] == "completed")
    return bool(values["milestones"].get(level.counts_when))


def settle_parent(connection: Connection, project: ProjectRow, ident: UnitId) -> None:
    """Make the parent of a changed unit ready when all its children count, pending again when they no longer do.

    The parent's row must be locked already (``lock_unit`` and ``create_unit`` lock it before the child).
    A parent that is running, completed or failed keeps its status: its own flow or an operator decides. One that has
    no work of its own is completed instead of ready.
    """
    if ident.parent is not None:
        _settle(connection, project, ident.parent, dispatch_of(connection, project, ident))


def _settle(connection: Connection, project: ProjectRow, ident: UnitId, dispatch: str) -> bool:
    """Bring a unit's status up to its children's; return whether it changed."""
    row = find_unit(connection, project, ident)
    wanted = None if row is None else _status_by_children(connection, project, ident, row)
    if row is None or wanted is None:
        return False
    if wanted == "ready":
        make_ready(connection, project, ident, row, dispatch)
    else:
        update_unit(connection, row.id, status=wanted, finished_at=db_now() if wanted == "completed" else None)
    return True


def _status_by_children(connection: Connection, project: ProjectRow, ident: UnitId, row: Row[Any]) -> str | None:
    """Return the status that a unit's children call for; None when it has it, or is not theirs to decide."""
    own_work = bool(required_stages(connection, project, project.tree.level(ident)))
    reached = "ready" if own_work else "completed"
    if row.status not in {"pending", "ready", reached}:
        return None
    child = project.tree.below(ident)
    whole = children_that_count(connection, child, row.id) >= _expected(connection, project, ident)
    wanted = reached if whole else "pending"
    return None if wanted == row.status else wanted


def settle_all(database: Database, project: ProjectRow) -> int:
    """Bring every parent up to its children, innermost first: what they need may have been configured anew.

    Returns:
        How many units changed.
    """
    changed = 0
    for level in reversed(project.tree.levels[:-1]):
        statement = select(units).where(units.c.project_id == project.id, units.c.level == level.name)
        with database.peek() as connection:
            rows = connection.execute(statement).all()
            late = [row for row in rows if _status_by_children(connection, project, to_ident(project, row), row)]
        for row in late:
            ident = to_ident(project, row)
            with database.write(f"settle {ident}") as connection:
                lock_unit(connection, project, ident)
                child = select(units.c.dispatch).where(units.c.parent_id == row.id).limit(1)
                dispatch = connection.execute(child).scalar_one_or_none() or "event"
                if _settle(connection, project, ident, dispatch):
                    changed += 1
                    settle_parent(connection, project, ident)
    return changed


def dispatch_of(connection: Connection, project: ProjectRow, ident: UnitId) -> str:
    """Return how a unit is dispatched; its parent is then dispatched alike."""
    row = find_unit(connection, project, ident)
    return (row.dispatch if row else None) or "event"


def make_ready(connection: Connection, project: ProjectRow, ident: UnitId, row: Row[Any], dispatch: str) -> None:
    """Set a parent ready and announce it, in the open transaction; labs trigger on the event however it is worked on."""
    level = project.tree.level(ident)
    number = row.dispatch_no + 1
    update_unit(connection, row.id, status="ready", dispatch=dispatch, dispatch_no=number, error=None)
    if level.ready_event is not None:
        payload = {level.payload_key: ident.model_dump(mode="json")}
        announce(connection, ident, row.id, level.ready_event, payload, number)


def children_that_count(connection: Connection, level: Level, parent_id: int) -> int:
    """Return how many children of a parent count, by SQL; ``level`` is the children's."""
    if level.counts_when == "completed":
        condition: Any = units.c.status == "completed"
    else:
        condition = units.c.milestones[level.counts_when].as_boolean().is_(True)
    statement = select(func.count()).select_from(units).where(units.c.parent_id == parent_id, condition)
    return connection.execute(statement).scalar_one()


def _expected(connection: Connection, project: ProjectRow, ident: UnitId) -> int:
    rule = project.tree.level(ident).expected_children
    assert rule is not None  # noqa: S101 (only parents come here, and every parent level has a rule)
    return rule(project_config(connection, project), ident)
