"""A rig on a server that may be busy: what a launch had not the patience to tell it, is told as the next one would."""

from typing import Any

from prefect.settings import PREFECT_API_URL, temporary_settings

from opticstream.deployments.events_api import PrefectEvents
from opticstream.deployments.relay import Relay
from opticstream.state import Database, open_database
from opticstream.state.outbox import count_events
from opticstream.state.sessions import sessions_to_tell
from opticstream.tasks.session_told import tell_session
from support.launch_site import AWAITED_S, LaunchSite
from support.waiting import until

_GAVE_UP = ("The Prefect API is away", "Prefect was not told", "not shown in the Prefect UI yet")


class RecordedSite(LaunchSite):
    """A rig whose sessions are told in full when they have ended."""

    def end(self, process: Any, expect: int = 0, timeout_s: float = 240) -> Any:
        """Wait for a launch's end, and for what it said it leaves to the next; return what it told."""
        told = super().end(process, expect, timeout_s)
        with open_database(self.settings) as database:
            if any(words in self.said() for words in _GAVE_UP):
                with temporary_settings({PREFECT_API_URL: self.url}):
                    for session in sessions_to_tell(database):
                        tell_session(database, session)
            if count_events(database).waiting:
                self._deliver(database)
        return told

    def _deliver(self, database: Database) -> None:
        with PrefectEvents(self.url) as api, Relay(database, lambda: api):
            until(lambda: not count_events(database).waiting, "the events are delivered", AWAITED_S)
