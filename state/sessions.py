"""One row per launched session, with its events in the same transactions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, select, update

from opticstream.core.process_identity import ProcessIdentity
from opticstream.core.scope_events import SCOPE_RECORDED, ScopeEvent
from opticstream.core.session_events import (
    SESSION_ACQUIRING,
    SESSION_FAILED,
    SESSION_FINISHED,
    SESSION_STARTED,
    SYNC_FAILED,
    SYNC_RELEASED,
    SessionEvent,
    SyncEvent,
    session_resource,
)
from opticstream.core.text import storable
from opticstream.state.database import Database, db_now
from opticstream.state.rows import write_event
from opticstream.state.tables import sessions
from opticstream.state.views import utc

_LONGEST_LABEL = 64
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class SessionView:
    """One session's row."""

    id: int
    name: str
    folder: str | None
    rig: str
    subject: str
    user: str
    launcher: str
    status: str
    """started, acquiring, or the outcome."""
    reason: str
    host: str
    pid: int
    birth: str
    started_at: datetime
    finished_at: datetime | None
    flow_run_id: str | None
    end_state: dict[str, Any] | None
    artifacts: list[dict[str, Any]]
    """What Prefect is still to be shown."""


def begin_session(database: Database, event: SessionEvent) -> int:
    """Write a session's row and announce its start; return the row's number."""
    holder = database.identity()
    with database.write("session") as connection:
        row = connection.execute(
            insert(sessions)
            .values(
                **{name: storable(getattr(event, name)) for name in ("folder", "subject", "user")},
                **{name: storable(getattr(event, name))[:_LONGEST_NAME] for name in ("rig", "launcher")},
                name=storable(event.session)[:_LONGEST_NAME],
                host=holder.host,
                pid=holder.pid,
                birth=holder.birth,
                status="started",
                started_at=db_now(),
                flow_run_id=event.flow_run_id,
            )
            .returning(sessions.c.id)
        ).scalar_one()
        _announce(connection, row, SESSION_STARTED, event)
    return int(row)


def session_acquires(database: Database, row: int, event: SessionEvent) -> None:
    """Note that a session's acquisition runs, and announce it."""
    with database.write("session") as connection:
        connection.execute(
            update(sessions).where(sessions.c.id == row).values(status="acquiring", acquiring_at=db_now())
        )
        _announce(connection, row, SESSION_ACQUIRING, event)


def end_session(
    database: Database,
    row: int,
    event: SessionEvent,
    end_state: dict[str, Any],
    artifacts: list[dict[str, Any]] | None = None,
) -> None:
    """Write how a session ended, and announce it; a later word replaces an earlier one and is announced too.

    Args:
        database: the store.
        row: of the session.
        event: has outcome, reason and exit code.
        end_state: what ``end_state.json`` holds.
        artifacts: what Prefect is to be shown when it is there again.
    """
    with database.write("session") as connection:
        connection.execute(
            update(sessions)
            .where(sessions.c.id == row)
            .values(
                status=event.outcome,
                reason=storable(event.reason),
                finished_at=db_now(),
                end_state=end_state,
                artifacts=artifacts,
                told_at=None,
            )
        )
        name = SESSION_FINISHED if event.exit_code == 0 else SESSION_FAILED
        _announce(connection, row, name, event)


def announce_sync(database: Database, event: SyncEvent) -> None:
    """Announce how a session sync ended; there is no row of a session at that time, and after a failure never."""
    name = SYNC_RELEASED if event.outcome in ("released", "bypassed") else SYNC_FAILED
    with database.write("session sync") as connection:
        write_event(
            connection,
            name,
            f"opticstream.sync.{event.node}"[:160],
            event.rig[:_LONGEST_LABEL],
            0,
            event.model_dump(mode="json"),
            str(uuid4()),
        )


def announce_scope(database: Database, event: ScopeEvent) -> None:
    """Announce what a scope recorded."""
    with database.write("scope recording") as connection:
        write_event(
            connection,
            SCOPE_RECORDED,
            f"opticstream.scope.{event.session}"[:160],
            event.rig[:_LONGEST_LABEL],
            0,
            event.model_dump(mode="json"),
            str(uuid4()),
        )


def sessions_to_tell(database: Database, limit: int = 50) -> list[SessionView]:
    """Return ended sessions whose flow run Prefect may not know the end of, the oldest first."""
    rows = (
        select(sessions)
        .where(sessions.c.told_at.is_(None), sessions.c.finished_at.is_not(None), sessions.c.flow_run_id.is_not(None))
        .order_by(sessions.c.id)
        .limit(limit)
    )
    with database.peek() as connection:
        return [_view(row) for row in connection.execute(rows)]


def mark_told(database: Database, row: int) -> None:
    """Note that Prefect knows a session's end and was shown everything."""
    with database.write("session") as connection:
        connection.execute(update(sessions).where(sessions.c.id == row).values(told_at=db_now(), artifacts=None))


def keep_artifacts(database: Database, row: int, artifacts: list[dict[str, Any]]) -> None:
    """Keep what Prefect is still to be shown."""
    with database.write("session") as connection:
        connection.execute(update(sessions).where(sessions.c.id == row).values(artifacts=artifacts or None))


def find_session(database: Database, name: str, holder: ProcessIdentity | None = None) -> SessionView | None:
    """Return the newest row of a session's name.

    Args:
        database: the store.
        name: of the session; rigs that synchronize theirs have one for them all.
        holder: the launcher that began it; None: any.
    """
    chosen = select(sessions).where(sessions.c.name == name).order_by(sessions.c.id.desc()).limit(1)
    if holder is not None:
        c = sessions.c
        chosen = chosen.where(c.host == holder.host, c.pid == holder.pid, c.birth == holder.birth)
    with database.peek() as connection:
        row = connection.execute(chosen).first()
    return _view(row) if row else None


def _announce(connection: Any, row: int, name: str, event: SessionEvent) -> None:
    payload = event.model_dump(mode="json")
    occurrence = f"{name.rpartition('.')[2]}.{event.outcome or ''}"
    write_event(
        connection, name, session_resource(event.session), event.rig[:_LONGEST_LABEL], -row, payload, occurrence
    )


def _view(row: Any) -> SessionView:
    started = utc(row.started_at)
    assert started is not None  # the column has no NULL  # noqa: S101
    return SessionView(
        id=row.id,
        name=row.name,
        folder=row.folder,
        rig=row.rig,
        subject=row.subject,
        user=row.user,
        launcher=row.launcher,
        status=row.status,
        reason=row.reason or "",
        host=row.host,
        pid=row.pid,
        birth=row.birth,
        started_at=started,
        finished_at=utc(row.finished_at),
        flow_run_id=row.flow_run_id,
        end_state=row.end_state,
        artifacts=row.artifacts or [],
    )
