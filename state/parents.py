"""A parent follows its children, in the transaction that changes the child: two last children cannot miss each other."""

from typing import Any

from sqlalchemy import Connection, Row, func, select

from opticstream.core.identifiers import UnitId
from opticstream.state.rows import ProjectRow, announce, find_unit, update_unit
from opticstream.state.tables import projects, units
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
    A parent that is running, completed or failed keeps its status: its own flow or an operator decides.
    """
    if ident.parent is None:
        return
    parent = find_unit(connection, project, ident.parent)
    if parent is None or parent.status not in ("pending", "ready"):
        return
    ready = children_that_count(connection, project, ident, parent.id) >= _expected(connection, project, ident.parent)
    if ready and parent.status == "pending":
        make_ready(connection, project, ident.parent, parent)
    elif not ready and parent.status == "ready":
        update_unit(connection, parent.id, status="pending")


def make_ready(connection: Connection, project: ProjectRow, ident: UnitId, row: Row[Any]) -> None:
    """Set a parent ready and announce it, in the open transaction."""
    level = project.tree.level(ident)
    number = row.dispatch_no + 1
    update_unit(connection, row.id, status="ready", dispatch="event", dispatch_no=number, error=None)
    payload = {level.payload_key: ident.model_dump(mode="json")}
    announce(connection, ident, row.id, level.ready_event, payload, number)


def children_that_count(connection: Connection, project: ProjectRow, child: UnitId, parent_id: int) -> int:
    """Return how many children of a parent count, by SQL; ``child`` only says which level they are."""
    level = project.tree.level(child)
    if level.counts_when == "completed":
        condition: Any = units.c.status == "completed"
    else:
        condition = units.c.milestones[level.counts_when].as_boolean().is_(True)
    statement = select(func.count()).select_from(units).where(units.c.parent_id == parent_id, condition)
    return connection.execute(statement).scalar_one()


def _expected(connection: Connection, project: ProjectRow, ident: UnitId) -> int:
    rule = project.tree.level(ident).expected_children
    assert rule is not None  # noqa: S101 (only parents come here, and every parent level has a rule)
    config = connection.execute(select(projects.c.config).where(projects.c.id == project.id)).scalar_one()
    return rule(config, ident)
