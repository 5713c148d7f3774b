"""Beside sessions: their events are delivered, and Prefect is told how those ended whose end it missed."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opticstream.core.background import in_background
from opticstream.core.errors import OpticstreamError
from opticstream.core.settings import Settings
from opticstream.deployments.api import find_api
from opticstream.deployments.relay_api import RelayApi
from opticstream.deployments.server import api_healthy

if TYPE_CHECKING:
    from opticstream.state import Database

log = logging.getLogger(__name__)
_EVERY_S = 10.0
_BEFORE_S = 2.0
_REQUEST_S = 3.0
"""People wait for the end of it; what was not taken is posted again."""
_LAST_WORDS_S = 1.0
"""What is not posted by then waits for the next launch, or for whoever serves."""


@contextmanager
def session_care(settings: Settings) -> Iterator[None]:
    """Deliver events and tell ends in the background while the body runs; a store that refuses is a warning.

    It begins a moment later, since all that it imports would keep a session's acquisition waiting. The end waits at
    most a second for an API that takes events, and for the request under way.
    """
    with in_background("session-care", lambda ended: _care(settings, ended)):
        yield


def _care(settings: Settings, ended: threading.Event) -> None:
    """Tell what is to be told now, and again from time to time."""
    ended.wait(_BEFORE_S)
    from opticstream.deployments.relay import Relay  # SQLAlchemy: more than all else of a launch
    from opticstream.state import open_database

    told = False
    try:
        with open_database(settings) as database, RelayApi(settings, _REQUEST_S) as api, Relay(database, api) as relay:
            while True:
                try:
                    tell_sessions(settings, database, _enough(ended))
                    told = False
                except Exception as error:
                    (log.debug if told else log.warning)("Prefect is not told yet how sessions ended: %s", error)
                    told = True
                if ended.wait(_EVERY_S):
                    break
            relay.flush(None, _LAST_WORDS_S)  # the last event is as old as the session's end
    except OpticstreamError as error:
        log.warning("Events of sessions are not delivered: %s", error)


def _enough(ended: threading.Event) -> Callable[[], bool]:
    """Return what says when there is no more time; the first look of a short session has some after its end."""
    until = time.monotonic() + _LAST_WORDS_S
    return lambda: ended.is_set() and time.monotonic() > until


def tell_sessions(settings: Settings, database: "Database", enough: Callable[[], bool] = lambda: False) -> int:
    """Bring flow runs up to the sessions that have ended without them; return how many are settled.

    Args:
        settings: say which API; nothing happens while none answers.
        database: the store with the sessions' rows.
        enough: asked before each session whether there is no more time for this.
    """
    from opticstream.state.sessions import sessions_to_tell

    if not (waiting := sessions_to_tell(database)):
        return 0
    url = find_api(settings).url
    if url is None or not api_healthy(url, _REQUEST_S):
        return 0
    from opticstream.tasks.session_told import tell_session  # Prefect takes two seconds to import

    settled = 0
    for session in waiting:
        if enough():
            break
        settled += tell_session(database, session)
    return settled
