"""Statements every operation is made of: find the project, find, create and lock a unit, turn a row into a view."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from opticstream.core.errors import ProjectNotFound
from opticstream.core.events import event_id
from opticstream.core.identifiers import UnitId
from opticstream.core.text import slug
from opticstream.state.database import db_now
from opticstream.state.tables import claims, outbox, projects, stages, units
from opticstream.state.tree import Tree
from opticstream.state.views import UnitView, utc

__all__ = ["ProjectRow", "announce", "create_unit", "find_project", "find_unit", "insert_if_absent", "lock_unit"]


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """A project as operations need it: its row id, and where its units belong."""

    id: int
    name: str
    tree: Tree


def find_project(connection: Connection, tree: Tree, name: str) -> ProjectRow:
    """Return a project's row.

    Raises:
        ProjectNotFound: it has not been set up.
    """
    row = connection.execute(
        select(projects.c.id, projects.c.name).where(
            projects.c.pipeline == tree.pipeline, projects.c.slug == slug(name)
        )
    ).one_or_none()
    if row is None:
        raise ProjectNotFound(
            f"project {name!r}",
            found=f"no {tree.pipeline} project of that name in the state store",
            action=f"Run `opticstream {tree.pipeline} setup {name} …`, or check OPTICSTREAM_HOME and "
            "OPTICSTREAM_STATE_URL.",
        )
    return ProjectRow(row.id, row.name, tree)


def project_config(connection: Connection, project: ProjectRow) -> dict[str, Any]:
    """Return the project's configuration as it is stored."""
    config = connection.execute(select(projects.c.config).where(projects.c.id == project.id)).scalar_one()
    return dict(config)


def numbers(ident: UnitId) -> tuple[int, int, int]:
    """Return the three number columns of an identifier; 0 where its level has none."""
    n1, n2, n3 = (*ident.numbers, 0, 0)[:3]
    return n1, n2, n3


def _where(project: ProjectRow, ident: UnitId) -> tuple[Any, ...]:
    n1, n2, n3 = numbers(ident)
    return (
        units.c.project_id == project.id,
        units.c.level == ident.level,
        units.c.n1 == n1,
        units.c.n2 == n2,
        units.c.n3 == n3,
    )


def find_unit(connection: Connection, project: ProjectRow, ident: UnitId, *, lock: bool = False) -> Row[Any] | None:
    """Return a unit's row, locked until the transaction ends when asked to (SQLite's writer holds the file anyway)."""
    statement = select(units).where(*_where(project, ident))
    return connection.execute(statement.with_for_update() if lock else statement).one_or_none()


def lock_unit(connection: Connection, project: ProjectRow, ident: UnitId) -> Row[Any] | None:
    """Lock a unit and, always before it, its parent; return the unit's row."""
    if ident.parent is not None:
        find_unit(connection, project, ident.parent, lock=True)
    return find_unit(connection, project, ident, lock=True)


def insert_if_absent(connection: Connection, table: Table, values: dict[str, Any]) -> None:
    """Insert a row unless one with the same key stands there."""
    statement: sqlite.Insert | postgresql.Insert
    if connection.dialect.name == "sqlite":
        statement = sqlite_insert(table).values(values).on_conflict_do_nothing()
    else:
        statement = postgresql_insert(table).values(values).on_conflict_do_nothing()
    connection.execute(statement)


def create_unit(connection: Connection, project: ProjectRow, ident: UnitId) -> Row[Any]:
    """Return a unit's row, locked after its parent's; both are created as pending when absent."""
    parent_id = None
    if ident.parent is not None:
        parent = find_unit(connection, project, ident.parent, lock=True)
        parent_id = (parent or create_unit(connection, project, ident.parent)).id
    while (row := find_unit(connection, project, ident, lock=True)) is None:
        n1, n2, n3 = numbers(ident)
        insert_if_absent(
            connection,
            units,
            {
                "project_id": project.id,
                "level": ident.level,
                "n1": n1,
                "n2": n2,
                "n3": n3,
                "parent_id": parent_id,
                "status": "pending",
                "milestones": {},
                "dispatch_no": 0,
                "created_at": db_now(),
                "updated_at": db_now(),
            },
        )
    return row


def select_units() -> Select[Any]:
    """Return the statement behind every view: the unit, its most tried stage and who holds it."""
    return select(
        units,
        select(func.max(stages.c.attempts)).where(stages.c.unit_id == units.c.id).scalar_subquery().label("attempts"),
        select(func.max(claims.c.owner + " @ " + claims.c.host))
        .where(claims.c.unit_id == units.c.id, claims.c.outcome.is_(None))
        .scalar_subquery()
        .label("claimed_by"),
    )


_BY_KEY = select_units()


def view_unit(connection: Connection, project: ProjectRow, ident: UnitId) -> UnitView | None:
    """Return a unit's view, None when it has no row."""
    row = connection.execute(_BY_KEY.where(*_where(project, ident))).one_or_none()
    return None if row is None else to_view(project, row)


def to_ident(project: ProjectRow, row: Row[Any]) -> UnitId:
    """Return the identifier of a unit's row."""
    kind = project.tree.level(row.level).ident
    return kind(project=project.name, **dict(zip(kind.digits, (row.n1, row.n2, row.n3), strict=False)))


def to_view(project: ProjectRow, row: Row[Any]) -> UnitView:
    """Turn a row of :func:`select_units` into a view."""
    created, updated = utc(row.created_at), utc(row.updated_at)
    assert created is not None and updated is not None  # noqa: S101 (columns are NOT NULL)
    return UnitView(
        ident=to_ident(project, row),
        status=row.status,
        milestones={name: bool(row.milestones.get(name)) for name in project.tree.level(row.level).milestones},
        fingerprint=row.fingerprint,
        source=row.source,
        dispatch=row.dispatch,
        dispatch_no=row.dispatch_no,
        attempts=row.attempts or 0,
        error=row.error,
        claimed_by=row.claimed_by,
        created_at=created,
        updated_at=updated,
        started_at=utc(row.started_at),
        finished_at=utc(row.finished_at),
    )


def update_unit(connection: Connection, unit_id: int, **values: Any) -> None:
    """Change columns of a unit and note the time."""
    connection.execute(update(units).where(units.c.id == unit_id).values(**values, updated_at=db_now()))


def announce(
    connection: Connection, ident: UnitId, unit_id: int, event: str, payload: dict[str, Any], occurrence: int
) -> None:
    """Write an event's outbox row in the transaction of the change it announces; the relay delivers it.

    Args:
        connection: the open write.
        ident: the unit the event is about.
        unit_id: its row.
        event: event name.
        payload: JSON-serialisable payload, without secrets.
        occurrence: dispatch number or token; the same occurrence is announced once.
    """
    write_event(connection, event, str(ident), ident.project, unit_id, payload, occurrence)


def write_event(
    connection: Connection,
    event: str,
    resource: str,
    project: str,
    row_id: int,
    payload: dict[str, Any],
    occurrence: int | str,
) -> None:
    """Write an outbox row, once for each occurrence.

    Args:
        connection: the open write.
        event: event name.
        resource: ``prefect.resource.id`` of what the event is about.
        project: what triggers match on: a project, or a rig.
        row_id: of what the event is about; negative for what is no unit.
        payload: JSON-serialisable payload, without secrets.
        occurrence: what tells one from the next.
    """
    # What was reset counts from 1 again, under another row.
    values = {
        "event_id": str(event_id(event, resource, f"{row_id}.{occurrence}")),
        "event": event,
        "resource": resource,
        "project": project,
        "payload": payload,
        "unit_id": row_id,
        "created_at": db_now(),
        "leased_until": 0.0,
        "attempts": 0,
    }
    insert_if_absent(connection, outbox, values)
