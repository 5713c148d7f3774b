"""What an operator may do: mark, reset, retry, and what the report says."""

import pytest

from opticstream.core.errors import BadInput, ClaimLost, StateError
from opticstream.core.identifiers import BatchId, OCTSliceId
from opticstream.core.oct_layout import batch_id
from opticstream.state import OCT_TREE, ProjectState
from opticstream.state.edit import mark, reset, retry
from opticstream.state.presence import WatcherPresence
from opticstream.state.report import report
from opticstream.state.selection import Selection, parse_unit, select_by_level
from opticstream.state.stalled import stalled_direct_units


def registered(state: ProjectState, *numbers: int, watcher: int | None = None) -> list[BatchId]:
    idents = [batch_id("brain", 1, number, 2) for number in numbers]
    for ident in idents:
        state.register_ready(ident, fingerprint="f", source={}, dispatch="direct", watcher_id=watcher)
    return idents


def fail(state: ProjectState, ident: BatchId) -> None:
    state.fail(state.claim(ident, "process", owner="t"), "no space left")


def test_retry_makes_failed_batches_ready_and_leaves_the_rest(state: ProjectState) -> None:
    one, two = registered(state, 1, 2)
    fail(state, one)
    assert [edit.after for edit in retry(state, dry_run=True)] == ["ready"]
    assert state.peek(one).status == "failed"
    assert [(edit.ident, edit.after) for edit in retry(state)] == [(one, "ready")]
    assert state.peek(one).error is None
    assert state.claim(one, "process", owner="t").attempt == 2
    (left,) = retry(state, [two])
    assert "not failed" in (left.refused or "")
    (left,) = retry(state, [one])
    assert left.refused == "it is in work"


def test_used_up_attempts_need_force(state: ProjectState) -> None:
    (one,) = registered(state, 1)
    for _ in range(3):
        fail(state, one)
        (edit,) = retry(state, [one])
    assert "attempts used up" in (edit.refused or "")
    (edit,) = retry(state, [one], force=True)
    assert edit.after == "ready"
    assert state.claim(one, "process", owner="t").attempt == 1


def test_retry_of_a_unit_that_is_not_there_says_so(state: ProjectState) -> None:
    (missing,) = retry(state, [batch_id("brain", 9, 9, 2)])
    assert (missing.before, missing.after, missing.refused) == ("absent", None, "there is no such batch")
    (empty,) = retry(state, [OCTSliceId(project="brain", slice=9)], dry_run=True)
    assert empty.refused == "there is no batch in it"


def test_retry_of_an_event_unit_announces_it_again(state: ProjectState) -> None:
    ident = batch_id("brain", 1, 1, 2)
    state.register_ready(ident, fingerprint="f", source={"file_list": []}, dispatch="event")
    fail(state, ident)
    retry(state)
    assert state.peek(ident).dispatch_no == 2


def test_reset_forgets_a_subtree_and_reopens_the_parent(state: ProjectState) -> None:
    idents = registered(state, 1, 2)
    for ident in idents:
        with state.commit(state.claim(ident, "process", owner="t")):
            pass
    assert state.peek(idents[0].parent).status == "ready"
    reset(state, Selection((1, 1, 1)), dry_run=True)
    assert state.peek(idents[0]) is not None
    reset(state, Selection((1, 1, 1)))
    assert state.peek(idents[0]) is None
    assert state.peek(idents[0].parent).status == "pending"
    assert registered(state, 1)


def test_reset_leaves_work_alone_unless_forced(state: ProjectState) -> None:
    (one,) = registered(state, 1)
    claim = state.claim(one, "process", owner="somebody")
    edits = reset(state, Selection())
    assert all(edit.refused for edit in edits) and "somebody" in (edits[0].refused or "")
    assert state.peek(one) is not None
    reset(state, Selection(), force=True)
    assert report(state)["units"] == []
    with pytest.raises(ClaimLost):
        state.commit(claim).__enter__()


def test_a_token_is_never_used_twice_even_after_a_reset(state: ProjectState) -> None:
    (one,) = registered(state, 1)
    before = state.claim(one, "process", owner="t").token
    reset(state, Selection(), force=True)
    registered(state, 1)
    assert state.claim(one, "process", owner="t").token > before


def test_mark_sets_all_units_below_or_creates_the_one_named(state: ProjectState) -> None:
    registered(state, 1, 2)
    assert len(mark(state, "batch", Selection((1, 1)), "archived", True)) == 2
    assert all(unit["milestones"]["archived"] for unit in report(state, Selection((1, 1)))["units"][1:])
    (edit,) = mark(state, "mosaic", Selection((2, 3)), "completed", None)
    assert edit.after == "completed"
    with pytest.raises(StateError):
        mark(state, "batch", Selection(), "stitched", True)


@pytest.mark.parametrize("status", ["pending", "ready"])
def test_a_batch_that_was_done_is_done_again_when_it_is_marked_so(state: ProjectState, status: str) -> None:
    (one,) = registered(state, 1)
    with state.commit(state.claim(one, "process", owner="t")):
        pass
    mark(state, "batch", Selection(one.numbers), status, None)
    registered(state, 1)  # the watcher's gate: it makes a pending one ready
    assert state.peek(one).status == "ready"
    assert state.claim(one, "process", owner="t").attempt == 2


def test_the_report_has_the_contracts_keys(state: ProjectState) -> None:
    (one,) = registered(state, 1)
    state.claim(one, "process", owner="worker")
    found = report(state)
    assert set(found) == {"project", "pipeline", "counts", "units"}
    assert found["counts"] == {"slice": {"pending": 1}, "mosaic": {"pending": 1}, "batch": {"running": 1}}
    unit = found["units"][-1]
    assert set(unit) == {
        *("level", "slice", "mosaic", "batch", "status", "milestones"),
        *("attempts", "error", "claimed_by", "updated_at"),
    }
    assert unit["claimed_by"].startswith("worker @ ")


def test_selections(state: ProjectState) -> None:
    assert parse_unit(OCT_TREE, "brain", "slice-01/mosaic-002/batch-003") == batch_id("brain", 2, 3, 2)
    assert str(parse_unit(OCT_TREE, "brain", "1/2")) == "oct/brain/slice-01/mosaic-002"
    for bad in ("", "1/2/3/4", "a/b", "0/1/1", "1//2"):
        with pytest.raises(BadInput):
            parse_unit(OCT_TREE, "brain", bad)
    with pytest.raises(BadInput, match="--slice as well"):
        select_by_level(OCT_TREE, {"slice": None, "mosaic": 2, "batch": None})


def test_units_of_a_watcher_that_is_gone_are_stalled(state: ProjectState) -> None:
    with WatcherPresence(state, "folder") as presence:
        one, two = registered(state, 1, 2, watcher=presence.id)
        assert stalled_direct_units(state) == []
        state.claim(two, "process", owner="t")
    assert stalled_direct_units(state) == [one]  # two is in work by this live process
