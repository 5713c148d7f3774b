"""A session's row in the state store: kept where it can be, and never worth the session."""

import logging
import queue
import threading
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

from opticstream.core.scope_events import ScopeEvent
from opticstream.core.session_events import SessionEvent, SyncEvent
from opticstream.core.settings import Settings
from opticstream.rig.end_state import EndState
from opticstream.rig.launcher.session import Session
from opticstream.rig.plain_json import plain
from opticstream.rig.scope_acquisition import read_scope_recording
from opticstream.rig.session_lock import first_lock

if TYPE_CHECKING:
    from opticstream.state import Database

_log = logging.getLogger("opticstream.rig")
_PATIENCE_S = 10.0


class SessionRow:
    """Writes one session's row and events; a `SessionObserver`.

    All writing is done in one thread, one thing after the other, from the first on: the session waits neither for the
    store's libraries to be imported nor for a server that does not answer, but at the end, and then not for long. What
    the store refuses is one warning; the session's files say the same.

    Args:
        settings: say which store.
        flow_run_id: the run of the flow ``launch`` in which the session runs.
    """

    def __init__(self, settings: Settings, flow_run_id: str | None = None) -> None:
        self._settings, self._flow_run_id = settings, flow_run_id
        self._orders: queue.SimpleQueue[Callable[[Database], None] | threading.Event | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.row: int | None = None
        """Its number; None while there is none."""
        self.refused = False
        """The store has refused something."""
        self.who: dict[str, str] = {}
        """What people want to know of the session: label → text."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._thread is not None:
            self._orders.put(None)
            self._thread.join(_PATIENCE_S)
            if self._thread.is_alive():
                _log.warning("The session's row is not final: the store does not answer")

    def synced(self, session: Session) -> None:
        """Announce how session sync ended."""
        sync = session.sync
        if sync is None:
            return
        event = SyncEvent(
            node=sync.node_name,
            role=sync.role,
            rig=session.needed_loaded.rig.rig_id,
            outcome=sync.outcome,
            session=sync.session_name,
            reason=sync.reason,
            waited_s=round(sync.waited_s, 3),
            missed=list(sync.roster.missed),
            roster=sync.roster.as_dict(),
        )
        self._order(lambda database: _sessions().announce_sync(database, event))

    def saved(self, document: dict[str, Any]) -> None:
        """Keep the launcher's state in the row."""

        def save(database: "Database", row: int) -> None:
            from opticstream.state.session_states import save_state

            save_state(database, row, document)

        self._change(save)

    def started(self, session: Session) -> None:
        """Write the row."""
        event = self._event(session)
        self.who = {"subject": event.subject, "user": event.user, "rig": event.rig, "launcher": event.launcher}

        def begin(database: "Database") -> None:
            self.row = _sessions().begin_session(database, event)

        self._order(begin)

    def found(self, session: Session) -> None:
        """Take up the row of a session whose launcher is gone."""
        name, folder = session.needed_folder.name, str(session.needed_folder.path)
        begun = first_lock(session.needed_folder.metadata)

        def find(database: "Database") -> None:
            view = _sessions().find_session(database, name, begun.holder if begun else None)
            if view is not None and view.folder == folder:
                self.row, self._flow_run_id = view.id, view.flow_run_id

        self._order(find)
        self.settle()

    def acquiring(self, session: Session) -> None:
        """Note that the acquisition runs."""
        event = self._event(session)
        self._change(lambda database, row: _sessions().session_acquires(database, row, event))

    def ended(self, session: Session, end_state: EndState | None = None) -> None:
        """Write the end, and wait until it is written; ``end_state`` is what the file says, else what the session does."""
        if session.outcome is None or session.folder is None or self._thread is None:
            return
        event = self._event(session).model_copy(
            update={
                "outcome": session.outcome.value,
                "reason": session.reason,
                "exit_code": session.outcome.exit_code,
            }
        )
        state = plain((end_state or session.end_state()).model_dump())
        self._change(lambda database, row: _sessions().end_session(database, row, event, state))
        recorded = self._recorded(session)
        if recorded is not None:
            self._order(lambda database: _sessions().announce_scope(database, recorded))
        self.settle()

    def keep(self, artifacts: list[dict[str, Any]]) -> None:
        """Keep what Prefect could not be shown, for whoever meets it again."""
        self._change(lambda database, row: _sessions().keep_artifacts(database, row, artifacts))

    def told(self) -> None:
        """Note that Prefect knows the end and was shown everything."""
        self._change(lambda database, row: _sessions().mark_told(database, row))

    def settle(self) -> bool:
        """Wait until all that was said is written; False: the store does not answer."""
        settled = threading.Event()
        self._orders.put(settled)
        return settled.wait(_PATIENCE_S) if self._thread else True

    def _change(self, work: "Callable[[Database, int], None]") -> None:
        def change(database: "Database") -> None:
            if self.row is not None:
                work(database, self.row)

        self._order(change)

    def _order(self, work: "Callable[[Database], None]") -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="opticstream-session-row", daemon=True)
            self._thread.start()
        self._orders.put(work)

    def _work(self) -> None:
        """Do what is ordered, until the end is ordered."""
        database: Database | None = None
        try:
            while (order := self._orders.get()) is not None:
                if isinstance(order, threading.Event):
                    order.set()
                    continue
                if self.refused and self.row is None:
                    continue  # there is nothing to change, and each attempt may take long
                try:
                    if database is None:
                        from opticstream.state import open_database  # SQLAlchemy: more than all else of a launch

                        database = open_database(self._settings)
                    order(database)
                except Exception as error:
                    (_log.debug if self.refused else _log.warning)("The session's row is not kept: %s", error)
                    self.refused = True
        finally:
            if database is not None:
                database.close()

    def _recorded(self, session: Session) -> ScopeEvent | None:
        """Return what a scope recorded in this session; None: there was no scope."""
        if session.needed.launcher != "scope":
            return None
        found = read_scope_recording(session.needed_folder.path)
        if found is None:
            return None
        counted = ("frames", "frames_tracked", "frames_dropped", "frames_not_stored", "beads")
        counts = {key: found.summary.get(key, 0) for key in counted}
        return ScopeEvent(
            session=session.needed_folder.name,
            folder=str(found.folder),
            rig=session.needed_loaded.rig.rig_id,
            succeeded=bool(found.summary.get("succeeded")),
            reason=str(found.summary.get("reason", "")),
            files=[str(path) for path in found.files],
            flow_run_id=self._flow_run_id,
            **counts,
        )

    def _event(self, session: Session) -> SessionEvent:
        parameters = session.needed
        return SessionEvent(
            session=session.needed_folder.name,
            folder=str(session.needed_folder.path),
            rig=session.needed_loaded.rig.rig_id,
            subject=parameters.subject_id or "",
            user=parameters.user_id or "",
            launcher=parameters.launcher,
            flow_run_id=self._flow_run_id,
        )


def _sessions() -> ModuleType:
    from opticstream.state import sessions

    return sessions
