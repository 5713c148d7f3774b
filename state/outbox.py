"""Events written beside the changes they announce, until each is known to be stored by Prefect."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select, update

from opticstream.state.database import Database, db_now
from opticstream.state.tables import outbox


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """One event to deliver."""

    id: int
    """Number of its row."""
    event_id: str
    """UUID it is posted under, however often."""
    event: str
    resource: str
    """Text form of the unit it is about."""
    project: str
    payload: dict[str, Any]
    occurred: datetime
    """When the change was written, UTC."""
    attempts: int
    """How often it has been leased, this time included."""
    sent: bool
    """It has been posted before, and not been found stored."""


def lease_events(database: Database, lease_s: float, limit: int = 50) -> list[OutboxEvent]:
    """Take the oldest events that are due; no other relay gets them until ``lease_s`` seconds have passed.

    An event that has not been settled by then is due again.
    """
    due = (
        select(outbox.c.id)
        .where(outbox.c.settled_at.is_(None), outbox.c.leased_until <= db_now())
        .order_by(outbox.c.id)
        .limit(limit)
    )
    with database.peek() as connection:  # an idle relay takes no lock
        if connection.execute(due.limit(1)).first() is None:
            return []
    with database.write("outbox lease") as connection:
        # SQLite's writer holds the whole file; its dialect leaves the row locks out.
        ids = list(connection.execute(due.with_for_update(skip_locked=True)).scalars())
        rows = connection.execute(
            update(outbox)
            .where(outbox.c.id.in_(ids))
            .values(leased_until=db_now() + lease_s, attempts=outbox.c.attempts + 1)
            .returning(outbox)
        ).all()
    return [
        OutboxEvent(
            row.id,
            row.event_id,
            row.event,
            row.resource,
            row.project,
            row.payload,
            datetime.fromtimestamp(row.created_at, UTC),
            row.attempts,
            row.sent_at is not None,
        )
        for row in sorted(rows, key=lambda row: row.id)
    ]


def mark_sent(database: Database, ids: list[int], look_after_s: float) -> None:
    """Note that events were posted; they are due again, to be looked for, in ``look_after_s`` seconds."""
    _change(database, ids, sent_at=func.coalesce(outbox.c.sent_at, db_now()), leased_until=db_now() + look_after_s)


def settle_events(database: Database, ids: list[int]) -> None:
    """Note that events were found stored: they are done with."""
    _change(database, ids, settled_at=db_now())


def give_back(database: Database, ids: list[int], retry_after_s: float) -> None:
    """Give events back that could not be posted; they are due again in ``retry_after_s`` seconds."""
    _change(database, ids, leased_until=db_now() + retry_after_s)


def _change(database: Database, ids: list[int], **values: Any) -> None:
    if not ids:
        return
    with database.write("outbox") as connection:
        connection.execute(update(outbox).where(outbox.c.id.in_(ids)).values(**values))


@dataclass(frozen=True, slots=True)
class OutboxCounts:
    """How far the events are."""

    waiting: int
    """Never posted."""
    sent: int
    """Posted, not found stored yet."""
    settled: int


def count_events(database: Database, project: str | None = None) -> OutboxCounts:
    """Count the events of a project, or of all."""
    statement = select(func.count(), func.count(outbox.c.sent_at), func.count(outbox.c.settled_at))
    if project is not None:
        statement = statement.where(outbox.c.project == project)
    with database.peek() as connection:
        total, sent, settled = connection.execute(statement).one()
    return OutboxCounts(total - sent, sent - settled, settled)
