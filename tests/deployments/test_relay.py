"""The relay against a real Prefect API: every event is stored once, whatever fails on the way."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from opticstream.core.events import BATCH_READY, PROJECT_LABEL
from opticstream.core.oct_layout import batch_id
from opticstream.core.settings import Settings
from opticstream.deployments import relay as relaying
from opticstream.deployments.events_api import PrefectEvents
from opticstream.deployments.relay import Relay
from opticstream.state import OCT_TREE, Database, ProjectState, open_database
from opticstream.state.database import db_now
from opticstream.state.outbox import count_events, lease_events
from opticstream.state.tables import outbox
from support.api import ask_api
from support.oct_folder import set_up, small_config
from support.waiting import until


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    set_up(settings, small_config(settings.home / "products"))
    with open_database(settings) as opened:
        yield opened


@pytest.fixture
def events(server: str) -> Iterator[PrefectEvents]:
    with PrefectEvents(server) as api:
        yield api


def announce(database: Database, *batches: int, mosaic: int = 1) -> None:
    state = ProjectState(database, OCT_TREE, "brain")
    for batch in batches:
        source = {"file_list": ["Gehirn 脳.nii"], "project_base_path": "/p"}
        state.register_ready(batch_id("brain", mosaic, batch, 2), fingerprint="f", source=source, dispatch="event")


def stored(server: str, database: Database) -> list[dict[str, Any]]:
    """Return the events of this test's outbox that the API has, newest first."""
    with database.peek() as connection:
        ids = [row[0] for row in connection.exec_driver_sql("select event_id from outbox")]
    body = {"filter": {"id": {"id": ids}}, "limit": 50}
    found: list[dict[str, Any]] = ask_api(server, "events/filter", body)["events"]
    return found


def due(database: Database) -> int:
    """Return how many events a relay would get now."""
    with database.peek() as connection:
        return len(connection.execute(select(outbox.c.id).where(outbox.c.leased_until <= db_now())).all())


class Flaky:
    """The real API behind a line that fails when told to.

    Whoever looks for events waits here until the server, which may take its time, has stored them: whether a relay
    has to post again then depends on the line alone.
    """

    def __init__(self, inner: PrefectEvents) -> None:
        self.inner, self.failing, self.posts = inner, "", 0

    def post(self, events: list[dict[str, Any]]) -> None:
        if self.failing == "before":
            raise ConnectionError("away")
        self.posts += len(events)
        self.inner.post(events)
        if self.failing == "after":
            raise ConnectionError("the answer was lost")

    def stored(self, ids: list[str]) -> set[str]:
        wanted = set(ids)
        return until(lambda: (found := self.inner.stored(ids)) == wanted and found, "the server's storing", every_s=0.2)


def settle(relay: Relay, database: Database, total: int) -> None:
    def settled() -> bool:
        relay.run_once()
        return count_events(database).settled == total

    until(settled, f"{total} settled events", every_s=0.1)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let relays look for what they posted at once, and take as long as they like."""
    monkeypatch.setattr(relaying, "_LOOK_AFTER_S", 0.0)
    monkeypatch.setattr(relaying, "_LEASE_S", 600.0)


@pytest.mark.slow
def test_an_event_arrives_with_label_and_payload(database: Database, events: PrefectEvents, server: str) -> None:
    announce(database, 1, mosaic=7)
    relay = Relay(database, lambda: events)
    assert until(relay.run_once, "the post") == 1 and count_events(database).sent == 1
    assert relay.run_once() == 0  # it waits before it looks
    settle(relay, database, 1)
    (event,) = stored(server, database)
    assert event["event"] == BATCH_READY
    assert event["resource"][PROJECT_LABEL] == "brain"
    assert event["resource"]["prefect.resource.id"] == "oct/brain/slice-04/mosaic-007/batch-001"
    assert event["payload"]["file_list"] == ["Gehirn 脳.nii"] and event["payload"]["batch_ident"]["mosaic"] == 7


@pytest.mark.slow
@pytest.mark.usefixtures("at_once")
def test_what_fails_on_the_way_is_posted_again_and_stored_once(
    database: Database, events: PrefectEvents, server: str
) -> None:
    api = Flaky(events)
    relay = Relay(database, lambda: api)
    announce(database, 1, 2, mosaic=8)
    api.failing = "before"
    assert relay.run_once() == 0 and count_events(database).waiting == 2
    api.failing = "after"
    until(lambda: relay.run_once() or api.posts, "they are due again", every_s=0.1)
    assert api.posts == 2 and count_events(database).waiting == 2  # posted, but nobody knows
    api.failing = ""
    settle(relay, database, 2)
    assert api.posts == 4 and len(stored(server, database)) == 2


def test_without_an_api_events_wait_and_each_is_leased_by_one(database: Database) -> None:
    announce(database, 1, 2)
    assert Relay(database, lambda: None).run_once() == 0
    assert count_events(database, "brain").waiting == 2 and count_events(database, "other").waiting == 0
    until(lambda: due(database) == 2, "they are due again", every_s=0.1)
    taken: list[int] = []
    threads = [
        threading.Thread(target=lambda: taken.extend(e.id for e in lease_events(database, 30))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [1, 2]


@pytest.mark.slow
@pytest.mark.usefixtures("at_once")
def test_several_relays_as_threads_deliver_each_event_once(database: Database, server: str) -> None:
    announce(database, *range(1, 41), mosaic=9)
    with PrefectEvents(server) as one, PrefectEvents(server) as two:
        apis = Flaky(one), Flaky(two)
        with Relay(database, lambda: apis[0]), Relay(database, lambda: apis[1]):
            until(lambda: count_events(database).settled == 40, "40 settled events", every_s=0.1)
    assert apis[0].posts + apis[1].posts == 40
    assert len(stored(server, database)) == 40


@pytest.mark.slow
def test_a_path_that_is_not_unicode_holds_no_event_up(database: Database, events: PrefectEvents) -> None:
    state = ProjectState(database, OCT_TREE, "brain")
    source = {"file_list": ["caf\udce9.nii"], "project_base_path": "/p"}
    state.register_ready(batch_id("brain", 10, 1, 2), fingerprint="f", source=source, dispatch="event")
    announce(database, 2, mosaic=10)
    assert until(Relay(database, lambda: events).run_once, "the post", every_s=0.1) == 2
    assert count_events(database).sent == 2
    view = state.peek(batch_id("brain", 10, 1, 2))
    assert view is not None and view.source == source  # what is processed
