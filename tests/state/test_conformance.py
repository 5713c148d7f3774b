"""What every store must do: peek, read, open, the gate, claims, parents, outbox. Runs on each back end."""

import time
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import select, update

from opticstream.core import events
from opticstream.core.errors import BadInput, ClaimLost, ClaimRefused, ProjectNotFound, StateError
from opticstream.core.identifiers import BatchId, MosaicId
from opticstream.core.oct_layout import batch_id
from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.core.settings import load_settings
from opticstream.state import OCT_TREE, Database, ProjectState, open_database, setup_project
from opticstream.state.tables import claims, outbox, stages
from support.claims_audit import committed_tokens
from support.parallel import in_parallel
from support.waiting import until


def ready(state: ProjectState, ident: BatchId, **options: Any) -> bool:
    options = {"fingerprint": "f1", "source": {"file_list": ["a.nii"]}, "dispatch": "event"} | options
    return state.register_ready(ident, **options).registered


def finish(state: ProjectState, ident: BatchId) -> int:
    claim = state.claim(ident, "process", owner="t")
    with state.commit(claim) as unit:
        unit.set_milestone("enface_processed")
    return claim.token


def announced(database: Database) -> list[tuple[str, str]]:
    with database.peek() as connection:
        return [tuple(row) for row in connection.execute(select(outbox.c.event, outbox.c.resource).order_by("id"))]


def as_host(name: str, database: Database) -> Database:
    return open_database(load_settings(host_name=name, retry_backoff_s=(0.0,)))


# --- peek, read, open


def test_setup_again_keeps_the_units_and_refuses_a_name_that_only_looks_different(
    state: ProjectState, first: BatchId
) -> None:
    config = PSOCTScanConfig.model_validate(state.peek_project().config)
    with state.open(first) as unit:
        unit.set_milestone("complexed")
    setup_project(state.database, OCT_TREE, state.name, config)
    assert state.peek(first) is not None
    with pytest.raises(BadInput, match=f"beside '{state.name}'"):
        setup_project(state.database, OCT_TREE, state.name.upper(), config)
    assert ProjectState(state.database, OCT_TREE, state.name).name == state.name


def test_peek_of_nothing_is_none_and_creates_nothing(state: ProjectState, first: BatchId) -> None:
    assert state.peek(first) is None
    assert state.read(first) is None
    assert state.read_project().counts == {"slice": {}, "mosaic": {}, "batch": {}}


def test_open_creates_the_unit_and_its_parents(state: ProjectState, first: BatchId) -> None:
    with state.open(first) as unit:
        unit.set_milestone("complexed")
    view = state.peek(first)
    assert view is not None and view.status == "pending" and view.milestones["complexed"]
    parent = state.read(first.parent)
    assert parent is not None and parent.children == {"pending": 1}


def test_open_rolls_back_everything_on_an_exception(state: ProjectState, first: BatchId) -> None:
    with pytest.raises(RuntimeError), state.open(first) as unit:
        unit.mark("completed")
        raise RuntimeError
    assert state.peek(first) is None


def test_nothing_is_visible_before_the_commit(state: ProjectState, first: BatchId) -> None:
    with state.open(first) as unit:
        unit.mark("completed")
        assert state.peek(first) is None


def test_nesting_is_refused_instead_of_waiting_for_ever(state: ProjectState, first: BatchId) -> None:
    with state.open(first), pytest.raises(StateError, match="no nesting"), state.open(first):
        pass


def test_a_long_hold_is_warned_about(state: ProjectState, first: BatchId, caplog: pytest.LogCaptureFixture) -> None:
    with state.open(first):
        time.sleep(1.1)  # the hold itself is what is tested
    assert "held the state store" in caplog.text


def test_clearing_a_milestone_clears_what_follows_from_it(state: ProjectState, first: BatchId) -> None:
    with state.open(first) as unit:
        for name in ("complexed", "volume_processed", "enface_processed", "archived"):
            unit.set_milestone(name)
        unit.set_milestone("complexed", False)
        assert unit.milestones == {
            "complexed": False,
            "volume_processed": False,
            "enface_processed": False,
            "archived": True,
            "uploaded": False,
        }


def test_unknown_names_are_refused(state: ProjectState, first: BatchId, database: Database) -> None:
    with pytest.raises(StateError, match="one of complexed"), state.open(first) as unit:
        unit.set_milestone("stitched")
    with pytest.raises(StateError, match="one of pending"), state.open(first) as unit:
        unit.mark("done")  # type: ignore[arg-type]
    with pytest.raises(ProjectNotFound, match="oct setup"):
        ProjectState(database, OCT_TREE, "other")


def test_project_names_that_share_a_slug_are_one_project(state: ProjectState, database: Database) -> None:
    assert ProjectState(database, OCT_TREE, "BRAIN").name == "brain"


# --- the gate


def test_only_absent_and_pending_units_pass_the_gate(state: ProjectState, first: BatchId) -> None:
    with state.open(first):
        pass
    assert ready(state, first)
    assert not ready(state, first)
    finish(state, first)
    answer = state.register_ready(first, fingerprint="f2", source={}, dispatch="event")
    assert (answer.registered, answer.status, answer.changed) == (False, "completed", True)


def test_the_row_and_its_event_are_one_transaction(state: ProjectState, first: BatchId, database: Database) -> None:
    ready(state, first)
    ready(state, first)
    assert announced(database) == [(events.BATCH_READY, str(first))]


def test_direct_units_are_not_announced(state: ProjectState, first: BatchId, database: Database) -> None:
    ready(state, first, dispatch="direct")
    assert announced(database) == []


def test_force_takes_a_finished_unit_again_and_reopens_its_parent(state: ProjectState, database: Database) -> None:
    one, two = (batch_id("brain", 1, number, 2) for number in (1, 2))
    for ident in (one, two):
        ready(state, ident)
        finish(state, ident)
    assert state.peek(one.parent).status == "ready"
    assert ready(state, one, fingerprint="f2", force=True)
    assert state.peek(one.parent).status == "pending"
    assert not any(state.peek(one).milestones.values())
    finish(state, one)
    assert state.peek(one.parent).status == "ready"
    assert [event for event, _ in announced(database)].count(events.MOSAIC_READY) == 2


def test_force_leaves_a_running_unit_alone(state: ProjectState, first: BatchId) -> None:
    ready(state, first)
    state.claim(first, "process", owner="t")
    assert not ready(state, first, force=True)


def test_one_of_many_watchers_registers(state: ProjectState, first: BatchId) -> None:
    assert sum(in_parallel(6, lambda _: ready(state, first))) == 1


# --- claims


def test_one_of_many_workers_claims(state: ProjectState, first: BatchId, database: Database) -> None:
    ready(state, first)
    results = in_parallel(6, lambda index: state.claim(first, "process", owner=str(index)))
    assert sum(not isinstance(result, ClaimRefused) for result in results) == 1
    assert {result.reason for result in results if isinstance(result, ClaimRefused)} == {"held"}


def test_a_commit_completes_the_unit_once(state: ProjectState, first: BatchId, database: Database) -> None:
    ready(state, first)
    token = finish(state, first)
    view = state.peek(first)
    assert view.completed and view.finished_at is not None and view.claimed_by is None
    with pytest.raises(ClaimRefused) as refused:
        state.claim(first, "process", owner="t")
    assert refused.value.reason == "done"
    assert committed_tokens(database) == {str(first): token}


def test_an_unregistered_or_pending_unit_cannot_be_claimed(state: ProjectState, first: BatchId) -> None:
    for reason in ("absent", "pending"):
        with pytest.raises(ClaimRefused) as refused:
            state.claim(first, "process", owner="t")
        assert refused.value.reason == reason
        with state.open(first):
            pass


def test_another_host_takes_over_when_the_lease_is_over_and_the_sleeper_writes_nothing(
    state: ProjectState, first: BatchId, database: Database
) -> None:
    ready(state, first)
    sleeper = state.claim(first, "process", owner="sleeper")
    with as_host("elsewhere", database) as other:
        there = ProjectState(other, OCT_TREE, "brain")
        with pytest.raises(ClaimRefused, match="held"):
            there.claim(first, "process", owner="t")
        with database.write("expire") as connection:
            connection.execute(update(claims).values(lease_until=0.0))
        successor = there.claim(first, "process", owner="t")
        assert successor.token > sleeper.token
        for write in (
            lambda: state.fail(sleeper, "late"),
            lambda: state.release(sleeper),
            lambda: state.open(first, claim=sleeper).__enter__(),
            lambda: state.commit(sleeper).__enter__(),
        ):
            with pytest.raises(ClaimLost):
                write()
        with there.commit(successor) as unit:
            unit.set_milestone("enface_processed")
    assert committed_tokens(database) == {str(first): successor.token}


def test_a_live_holder_of_this_host_is_never_replaced_by_time(state: ProjectState, first: BatchId) -> None:
    ready(state, first)
    state.claim(first, "process", owner="t")
    with state.database.write("expire") as connection:
        connection.execute(update(claims).values(lease_until=0.0))
    with pytest.raises(ClaimRefused, match="held"):
        state.claim(first, "process", owner="u")


def test_the_lease_keeper_renews_and_notices_the_loss(state: ProjectState, first: BatchId) -> None:
    ready(state, first)
    state.database.settings = load_settings(lease_s=0.3)
    claim = state.claim(first, "process", owner="t")

    def held_until() -> float:
        with state.database.peek() as connection:
            return float(connection.execute(select(claims.c.lease_until)).scalar_one())

    def is_lost() -> bool:
        with suppress(ClaimLost):
            lease.check()
            return False
        return True

    before = held_until()
    with state.lease(claim) as lease:
        until(lambda: held_until() > before, "a renewal")
        lease.check()
        with state.database.write("revoke") as connection:
            connection.execute(update(claims).values(outcome="revoked"))
        until(is_lost, "the loss is noticed")


def test_a_failure_is_stored_and_is_not_done(state: ProjectState, first: BatchId) -> None:
    ready(state, first)
    state.fail(state.claim(first, "process", owner="t"), "disk full")
    view = state.peek(first)
    assert (view.status, view.error, view.attempts) == ("failed", "disk full", 1)
    assert state.read(first.parent).children == {"failed": 1}
    with pytest.raises(ClaimRefused) as refused:
        state.claim(first, "process", owner="t")
    assert refused.value.reason == "failed"
    assert state.claim(first, "process", owner="t", force=True).attempt == 2


def test_a_claim_given_back_does_not_count(state: ProjectState, first: BatchId) -> None:
    ready(state, first)
    state.release(state.claim(first, "process", owner="t"))
    view = state.peek(first)
    assert (view.status, view.attempts) == ("ready", 0)


def _die(state: ProjectState) -> None:
    """Make every open claim look like one of a process of this host that is gone."""
    with state.database.write("die") as connection:
        connection.execute(update(claims).where(claims.c.outcome.is_(None)).values(birth="another life"))


def test_a_batch_that_kills_its_workers_is_failed_after_three(state: ProjectState, first: BatchId) -> None:
    ready(state, first)
    for attempt in (1, 2, 3):
        assert state.claim(first, "process", owner="t").attempt == attempt
        _die(state)
    with pytest.raises(ClaimRefused) as refused:
        state.claim(first, "process", owner="t")
    assert refused.value.reason == "exhausted"
    view = state.peek(first)
    assert view.status == "failed" and "worker died" in (view.error or "") and view.claimed_by is None
    assert state.claim(first, "process", owner="t", force=True).attempt == 1


def test_after_a_death_the_next_attempt_waits(state: ProjectState, first: BatchId, database: Database) -> None:
    settings = load_settings(retry_backoff_s=(0.0, 30.0, 300.0))
    with open_database(settings) as patient:
        there = ProjectState(patient, OCT_TREE, "brain")
        ready(there, first)
        there.claim(first, "process", owner="t")
        _die(there)
        for _ in range(2):  # the second look must not forget what the first found out
            with pytest.raises(ClaimRefused) as refused:
                there.claim(first, "process", owner="t")
            assert refused.value.reason == "backoff"
        with patient.write("time passes") as connection:
            connection.execute(update(stages).values(not_before=1.0))
        assert there.claim(first, "process", owner="t").attempt == 2


# --- parents and outbox


def test_the_last_child_makes_its_parent_ready_with_its_event(state: ProjectState, database: Database) -> None:
    one, two = (batch_id("brain", 1, number, 2) for number in (1, 2))
    ready(state, one)
    ready(state, two)
    finish(state, one)
    assert state.peek(one.parent).status == "pending"
    finish(state, two)
    assert state.peek(one.parent).status == "ready"
    assert announced(database)[-1] == (events.MOSAIC_READY, str(one.parent))


def test_two_last_children_at_once_do_not_miss_each_other(state: ProjectState, database: Database) -> None:
    for mosaic in range(1, 7):
        idents = [batch_id("brain", mosaic, number, 2) for number in (1, 2)]
        for ident in idents:
            ready(state, ident)
        in_parallel(2, lambda index, idents=idents: finish(state, idents[index]))
        assert state.peek(idents[0].parent).status == "ready"
    mosaics = [resource for event, resource in announced(database) if event == events.MOSAIC_READY]
    assert len(mosaics) == len(set(mosaics)) == 6


def test_a_slice_is_ready_when_its_mosaics_are_stitched_not_when_they_are_completed(state: ProjectState) -> None:
    mosaics = [MosaicId(project="brain", slice=1, mosaic=number) for number in (1, 2)]
    for mosaic in mosaics:
        with state.open(mosaic) as unit:
            unit.mark("completed")
    assert state.peek(mosaics[0].parent).status == "pending"
    for mosaic in mosaics:
        with state.open(mosaic) as unit:
            unit.set_milestone("enface_stitched")
    assert state.peek(mosaics[0].parent).status == "ready"


def test_the_events_payload_is_what_the_flow_reads(state: ProjectState, first: BatchId, database: Database) -> None:
    ready(state, first, source={"file_list": ["a.nii"], "project_base_path": "/p"})
    with database.peek() as connection:
        payload = connection.execute(select(outbox.c.payload)).scalar_one()
    read = events.read_payload(events.BatchReady, payload)
    assert read.batch_ident == first and read.file_list == ["a.nii"]
