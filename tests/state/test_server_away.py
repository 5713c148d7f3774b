"""PostgreSQL only: the server refuses, restarts, or goes away in the middle; what was asked happens once."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from sqlalchemy import Connection, event, func, select, update

from opticstream.core.errors import ClaimLost, ClaimRefused, StoreUnavailable
from opticstream.core.identifiers import BatchId
from opticstream.core.oct_layout import batch_id
from opticstream.core.settings import Settings
from opticstream.state import OCT_TREE, Database, ProjectState, lease, open_database
from opticstream.state.edit import mark, reset, retry
from opticstream.state.selection import Selection
from opticstream.state.tables import claims, outbox
from support.postgres import Cluster
from support.waiting import until

pytestmark = pytest.mark.parametrize("back_end", ["postgresql"], indirect=True)


@contextmanager
def broken_commit(database: Database, came_through: bool, then: Callable[[], object] | None = None) -> Iterator[None]:
    """Cut the connection at the next commit, just before it or between it and the server's answer; then do more."""
    cuts = 0

    def cut(connection: Connection) -> None:
        nonlocal cuts
        cuts += 1
        if cuts > 1:
            return
        raw = connection.connection.dbapi_connection
        assert raw is not None
        if came_through:
            raw.commit()
        raw.close()
        if then is not None:
            then()

    event.listen(database.engine, "commit", cut)
    try:
        yield
    finally:
        event.remove(database.engine, "commit", cut)
    assert cuts, "nothing was committed"


@pytest.fixture(params=[True, False], ids=["answer lost", "cut off"])
def came_through(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def register(state: ProjectState, ident: BatchId, dispatch: str = "event") -> bool:
    return state.register_ready(ident, fingerprint="f", source={}, dispatch=dispatch).registered  # type: ignore[arg-type]


def test_each_operation_happens_once_though_its_commit_was_cut(
    state: ProjectState, first: BatchId, database: Database, came_through: bool
) -> None:
    with broken_commit(database, came_through):
        assert register(state, first)
    with broken_commit(database, came_through):
        given_back = state.claim(first, "process", owner="t")
    assert given_back.attempt == 1
    with broken_commit(database, came_through):
        state.release(given_back)
    assert (state.peek(first).status, state.peek(first).attempts) == ("ready", 0)
    claim = state.claim(first, "process", owner="t")
    runs = 0
    with broken_commit(database, came_through), state.commit(claim) as unit:
        runs += 1
        unit.set_milestone("enface_processed")
        unit.announce("done", {}, claim.token)
    view = state.peek(first)
    assert (runs, view.status, view.milestones["enface_processed"], view.attempts) == (1, "completed", True, 1)
    with broken_commit(database, came_through), state.open(first) as unit:
        unit.set_milestone("archived")
    assert state.peek(first).milestones["archived"]
    with database.peek() as connection:
        assert connection.execute(select(func.count()).select_from(outbox)).scalar_one() == 2  # ready, done
        outcomes = connection.execute(select(claims.c.outcome).order_by(claims.c.token)).scalars().all()
    assert [outcome for outcome in outcomes if outcome] == ["released", "committed"] == outcomes


def test_a_failure_is_stored_once(state: ProjectState, first: BatchId, database: Database, came_through: bool) -> None:
    register(state, first)
    claim = state.claim(first, "process", owner="t")
    with broken_commit(database, came_through):
        state.fail(claim, "disk full")
    view = state.peek(first)
    assert (view.status, view.error, view.attempts) == ("failed", "disk full", 1)


def test_a_body_that_fails_is_not_run_again(state: ProjectState, first: BatchId, database: Database) -> None:
    runs = 0
    with pytest.raises(StoreUnavailable), state.open(first):
        runs += 1
        raise StoreUnavailable("from inside")
    assert runs == 1
    assert state.peek(first) is None


def test_who_took_over_meanwhile_wins_over_a_commit_that_was_cut(
    state: ProjectState, first: BatchId, database: Database, settings: Settings
) -> None:
    register(state, first)
    claim = state.claim(first, "process", owner="t")
    with open_database(settings) as other:
        there = ProjectState(other, OCT_TREE, "brain")
        taken = broken_commit(database, False, lambda: reset(there, Selection(), force=True))
        with taken, pytest.raises(ClaimLost), state.commit(claim):
            pass


@pytest.mark.slow
def test_a_server_that_restarts_is_waited_for(
    state: ProjectState,
    first: BatchId,
    database: Database,
    postgres: Cluster,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lease, "_RENEWALS", 600)
    register(state, first)

    def held_until() -> float:
        with database.peek() as connection:
            return float(connection.execute(select(claims.c.lease_until)).scalar_one())

    with state.lease(state.claim(first, "process", owner="t")) as held:
        postgres.stop()
        found: list[object] = []
        asker = threading.Thread(target=lambda: found.append(state.peek(first)))
        asker.start()
        for said in ("trying again", "lease renewal failed"):
            until(lambda said=said: said in caplog.text, said)  # type: ignore[misc]
        postgres.start()
        asker.join()
        assert found and found[0].status == "running"
        with database.write("expire") as connection:
            connection.execute(update(claims).values(lease_until=0.0))
        until(held_until, "the renewals go on")
        held.check()


def test_a_server_that_stays_away_is_told_in_one_line(
    state: ProjectState, first: BatchId, database: Database, postgres: Cluster
) -> None:
    database.patience_s = 0.3
    postgres.stop()
    try:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="state store test_"):
            register(state, first)
        assert 0.3 <= time.monotonic() - began < 30, "an operation's own patience is a minute"
        with pytest.raises(StoreUnavailable, match="OPTICSTREAM_STATE_URL"):
            open_database(database.settings)
    finally:
        postgres.start()
    assert register(state, first)


@pytest.mark.slow
def test_everything_at_once_meets_no_deadlock(
    state: ProjectState, settings: Settings, database: Database, postgres: Cluster
) -> None:
    idents = [batch_id("brain", mosaic, number, 2) for mosaic in range(1, 5) for number in (1, 2)]
    end = time.monotonic() + 4
    errors: list[BaseException] = []

    def finish(there: ProjectState, ident: BatchId) -> None:
        with there.commit(there.claim(ident, "process", owner="t")) as unit:
            unit.set_milestone("enface_processed")

    operations: tuple[Callable[[ProjectState, BatchId], object], ...] = (
        register,
        register,
        finish,
        finish,
        lambda there, ident: there.fail(there.claim(ident, "process", owner="t"), "no"),
        lambda there, ident: retry(there, [ident], force=True),
        lambda there, ident: mark(there, "mosaic", Selection(ident.numbers[:2]), "enface_stitched", True),
        lambda there, ident: mark(there, "slice", Selection(ident.numbers[:1]), "registered", True),
        lambda there, ident: reset(there, Selection(ident.numbers), force=True),
        lambda there, ident: reset(there, Selection(ident.numbers[:1])),
        lambda there, ident: there.read(ident.parent),
    )

    def work(seed: int) -> None:
        chance = random.Random(seed)
        with open_database(settings) as own:
            own.patience_s = 0  # no second attempt hides what went wrong
            there = ProjectState(own, OCT_TREE, "brain")
            while time.monotonic() < end and not errors:
                try:
                    with suppress(ClaimRefused, ClaimLost):
                        chance.choice(operations)(there, chance.choice(idents))
                except BaseException as error:
                    errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    with postgres.admin(database.engine.url.database or "") as admin:
        statement = "SELECT deadlocks, xact_commit FROM pg_stat_database WHERE datname = current_database()"
        assert admin.execute(statement).fetchone()[0] == 0
