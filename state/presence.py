"""Watchers that are there: who looks at which folder for a project, and since when it is silent."""

import logging
import threading
from typing import Any, Self

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from opticstream.core.errors import StoreUnavailable
from opticstream.core.process_identity import ProcessIdentity, is_alive
from opticstream.core.text import storable
from opticstream.state.database import Database, db_now
from opticstream.state.store import ProjectState
from opticstream.state.tables import watchers

log = logging.getLogger(__name__)


class WatcherPresence:
    """A watcher's row and its heartbeat; use as a context manager around the watch.

    Attributes:
        id: the row's number, which the units this watcher registers carry.
    """

    def __init__(self, state: ProjectState, folder: str) -> None:
        self._database = state.database
        identity = state.database.identity()
        with state.database.write("watcher start") as connection:
            statement = insert(watchers).values(
                project_id=state.row.id,
                folder=storable(folder),
                host=identity.host,
                pid=identity.pid,
                birth=identity.birth,
                started_at=db_now(),
                beat_at=db_now(),
            )
            self.id = int(connection.execute(statement.returning(watchers.c.id)).scalar_one())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"opticstream-watcher-{self.id}", daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(self._database.settings.lease_s / 3):
            self._note(beat_at=db_now())

    def _note(self, **values: Any) -> None:
        try:
            with self._database.write("watcher heartbeat", patience_s=0) as connection:
                connection.execute(update(watchers).where(watchers.c.id == self.id).values(**values))
        except (SQLAlchemyError, StoreUnavailable) as error:
            log.warning("watcher heartbeat failed: %s", error)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()
        self._note(stopped_at=db_now())


def absent_watchers(database: Database, project_id: int) -> set[int]:
    """Return the project's watchers that are gone: stopped, dead on this host, or silent for a lease elsewhere."""
    with database.peek() as connection:
        rows = connection.execute(
            select(watchers, db_now().label("now")).where(watchers.c.project_id == project_id)
        ).all()
    return {row.id for row in rows if _is_gone(row, database)}


def _is_gone(row: Row[Any], database: Database) -> bool:
    if row.stopped_at is not None:
        return True
    alive = is_alive(ProcessIdentity(row.host, row.pid, row.birth), database.settings.host_name)
    if alive is None:
        return bool(row.now > row.beat_at + database.settings.lease_s)
    return not alive
