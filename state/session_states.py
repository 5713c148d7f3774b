"""What launchers saved at the end of a session, in the store: a session on another host can go on with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select, update

from opticstream.core.errors import BadInput
from opticstream.state.database import Database
from opticstream.state.tables import sessions


@dataclass(frozen=True, slots=True)
class SavedState:
    """One session's saved state."""

    session: str
    rig: str
    folder: str | None
    document: dict[str, Any]
    """As ``session_state.json`` holds it."""


def save_state(database: Database, row: int, document: dict[str, Any]) -> None:
    """Keep a session's state."""
    with database.write("session state") as connection:
        connection.execute(update(sessions).where(sessions.c.id == row).values(state=document))


def peek_state(database: Database, *, session: str | None = None, rig: str | None = None) -> SavedState | None:
    """Return the newest saved state, None when there is none; takes no lock.

    Args:
        database: the store.
        session: name of the session; None: any.
        rig: the rig's name; None: any.
    """
    with database.peek() as connection:
        row = connection.execute(_newest(session, rig)).first()
    return SavedState(row.name, row.rig, row.folder, row.state) if row else None


@contextmanager
def open_state(database: Database, *, session: str | None = None, rig: str | None = None) -> Iterator[dict[str, Any]]:
    """Lock the newest saved state, yield its document to be changed in place, and keep it when the body ends well.

    Raises:
        BadInput: there is none.
    """
    with database.write("session state") as connection:
        row = connection.execute(_newest(session, rig).with_for_update()).first()
        if row is None:
            raise BadInput(
                f"session state of {session or rig or 'any rig'}",
                found="none in the state store",
                expected="a session that ended well",
            )
        document = row.state
        yield document
        connection.execute(update(sessions).where(sessions.c.id == row.id).values(state=document))


def _newest(session: str | None, rig: str | None) -> Select[Any]:
    chosen = select(sessions).where(sessions.c.state.is_not(None)).order_by(sessions.c.id.desc()).limit(1)
    if session is not None:
        chosen = chosen.where(sessions.c.name == session)
    return chosen if rig is None else chosen.where(sessions.c.rig == rig)
