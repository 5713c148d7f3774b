"""The relay: takes events from the outbox to Prefect, again and again until Prefect has stored them."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol, Self

from opticstream.core.events import PROJECT_LABEL
from opticstream.core.text import sendable
from opticstream.state import Database
from opticstream.state.outbox import (
    OutboxCounts,
    OutboxEvent,
    count_events,
    give_back,
    lease_events,
    mark_sent,
    settle_events,
)

log = logging.getLogger(__name__)

_LEASE_S = 30.0
"""How long a relay may take for one round; a dead relay's events are another's after it."""
_LOOK_AFTER_S = 8.0
"""Prefect stores events every 5 s, so looking earlier finds nothing."""
_LOOK_AGAIN_S = 60.0
"""An event that is late is looked for, and posted again, at most this often."""


class EventsApi(Protocol):
    """The two calls of Prefect's events API that a relay needs."""

    def post(self, events: list[dict[str, Any]]) -> None:
        """Hand events over; raises when they were not taken."""

    def stored(self, ids: list[str]) -> set[str]:
        """Return those of the events that can be read back; raises when that cannot be told."""
        ...


class Relay:
    """Delivers outbox events; any number may run beside each other, each event is leased by one.

    The API's answer to a post means that it has the events in memory, and a server that ends then loses them. So an
    event is settled only when it has been read back; until then it is posted again under the same id, which the API
    stores once.

    Args:
        database: the open state store.
        api: returns the events API, or None while there is none.
    """

    def __init__(self, database: Database, api: Callable[[], EventsApi | None]) -> None:
        self._database, self._api = database, api
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._failures = 0

    def run_once(self) -> int:
        """Deliver what is due; return how many events were posted or settled."""
        events = lease_events(self._database, _LEASE_S)
        if not events:
            return 0
        try:
            api = self._api()
            if api is None:
                raise ConnectionError("the Prefect API is not there")
            return self._deliver(api, events)
        except Exception as error:  # whatever it was, the events stay in the outbox
            self._failures += 1
            wait = min(30.0, 2.0 ** min(self._failures, 5) / 2)
            give_back(self._database, [event.id for event in events], wait)
            (log.warning if self._failures == 1 else log.debug)("Events wait in the outbox: %s", error)
            return 0

    def _deliver(self, api: EventsApi, events: list[OutboxEvent]) -> int:
        looked_for = [event for event in events if event.sent]
        stored = api.stored([event.event_id for event in looked_for]) if looked_for else set()
        settle_events(self._database, [event.id for event in looked_for if event.event_id in stored])
        missing = [event for event in events if event.event_id not in stored]
        if missing:
            api.post([as_json(event) for event in missing])
            first = [event.id for event in missing if not event.sent]
            mark_sent(self._database, first, _LOOK_AFTER_S)
            mark_sent(self._database, [event.id for event in missing if event.sent], _LOOK_AGAIN_S)
        if self._failures:
            log.info("Events are delivered again.")
        self._failures = 0
        return len(events)

    # --- as a thread

    def wake(self) -> None:
        """Look at the outbox now: an event was written."""
        self._wake.set()

    def flush(self, project: str | None, timeout_s: float) -> OutboxCounts:
        """Give the thread time to post what waits; return how far the events of a project, or of all, are then."""
        deadline = time.monotonic() + timeout_s
        self.wake()
        while (counts := count_events(self._database, project)).waiting and time.monotonic() < deadline:
            if self._failures:
                break
            time.sleep(0.05)
        return counts

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                while self.run_once() and not self._stop.is_set():
                    pass
            except Exception:  # the store is away: that is the owner's trouble, and it may come back
                log.exception("relay")
            self._wake.wait(1.0)
            self._wake.clear()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="opticstream-relay", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()


def as_json(event: OutboxEvent) -> dict[str, Any]:
    """Return an event as the API takes it; the resource carries the project's label, on which triggers match.

    A path that is not Unicode could not be posted, and would hold up every event behind it. The unit's row has it whole.
    """
    return {
        "id": event.event_id,
        "event": event.event,
        "occurred": event.occurred.isoformat(),
        "resource": {
            "prefect.resource.id": event.resource,
            "prefect.resource.name": event.resource,
            PROJECT_LABEL: event.project,
        },
        "related": [],
        "payload": sendable(event.payload),
    }
