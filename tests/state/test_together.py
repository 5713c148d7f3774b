"""What several processes or odd texts could upset, on each back end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from opticstream.core.identifiers import BatchId
from opticstream.core.oct_layout import batch_id
from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.core.settings import Settings
from opticstream.state import OCT_TREE, Database, ProjectState, edit, open_database, setup_project
from opticstream.state.outbox import count_events, lease_events, mark_sent, settle_events
from opticstream.state.presence import WatcherPresence
from opticstream.state.selection import Selection
from opticstream.state.tables import projects
from support.parallel import in_parallel

ODD = "disk \0full \udcff"
"""What a damaged header or a file name that is not UTF-8 brings into an error."""


def test_one_project_set_up_by_many_is_one_project(database: Database, tmp_path: Path) -> None:
    config = PSOCTScanConfig(project_name="brain", project_base_path=tmp_path)
    results = in_parallel(6, lambda _: setup_project(database, OCT_TREE, "brain", config))
    assert {type(result) for result in results} == {ProjectState}
    with database.peek() as connection:
        assert connection.execute(select(func.count()).select_from(projects)).scalar_one() == 1


def test_many_open_a_new_store_at_once(settings: Settings) -> None:
    for database in in_parallel(6, lambda _: open_database(settings)):
        assert isinstance(database, Database), database
        database.close()


def test_units_of_a_mosaic_that_nobody_has_seen_are_registered_at_once(state: ProjectState) -> None:
    def register(number: int) -> bool:
        ident = batch_id("brain", 1 + number // 2, 1 + number % 2, 2)
        return state.register_ready(ident, fingerprint="f", source={}, dispatch="event").registered

    assert in_parallel(8, register) == [True] * 8
    assert state.read_project().counts == {"slice": {"pending": 2}, "mosaic": {"pending": 4}, "batch": {"ready": 8}}


def test_odd_texts_are_stored(state: ProjectState, first: BatchId) -> None:
    source = {"file_list": ["tile \udcff.nii"]}
    state.register_ready(first, fingerprint="f", source=source, dispatch="event")
    claim = state.claim(first, "process", owner=f"{ODD}{'x' * 300}")
    assert claim.source == source
    state.fail(claim, ODD)
    assert state.peek(first).error == "disk \N{REPLACEMENT CHARACTER}full \N{REPLACEMENT CHARACTER}"
    with WatcherPresence(state, f"folder {ODD}"):
        pass


def after_listing(monkeypatch: pytest.MonkeyPatch, then: Callable[[], object]) -> None:
    """Let another do something between the moment an edit lists its units and the moment it changes them."""
    listed = edit._rows

    def rows(*arguments: Any) -> Any:
        found = listed(*arguments)
        monkeypatch.setattr(edit, "_rows", listed)
        then()
        return found

    monkeypatch.setattr(edit, "_rows", rows)


def test_reset_leaves_a_parent_whose_child_was_registered_meanwhile(
    state: ProjectState, first: BatchId, monkeypatch: pytest.MonkeyPatch
) -> None:
    with state.open(first):
        pass
    late = batch_id("brain", 1, 2, 2)
    after_listing(monkeypatch, lambda: state.register_ready(late, fingerprint="f", source={}, dispatch="event"))
    refused = {str(one.ident): one.refused for one in edit.reset(state, Selection())}
    assert refused[str(first)] is None
    assert refused[str(first.parent)] == "a unit below it was registered meanwhile"
    assert state.peek(first) is None and state.peek(late).status == "ready"


def test_retry_of_a_unit_that_was_reset_meanwhile_says_so(
    state: ProjectState, first: BatchId, monkeypatch: pytest.MonkeyPatch
) -> None:
    with state.open(first) as unit:
        unit.mark("failed")
    after_listing(monkeypatch, lambda: edit.reset(state, Selection()))
    (one,) = edit.retry(state)
    assert (one.before, one.refused) == ("absent", "there is no such batch")


def test_relays_at_once_never_take_the_same_event(state: ProjectState, settings: Settings) -> None:
    for number in range(40):
        ident = batch_id("brain", 1 + number // 2, 1 + number % 2, 2)
        state.register_ready(ident, fingerprint="f", source={}, dispatch="event")

    def relay(_: int) -> list[int]:
        taken: list[int] = []
        with open_database(settings) as own:
            while count_events(own).waiting:
                leased = lease_events(own, 60, limit=5)
                mark_sent(own, [event.id for event in leased], 60)
                settle_events(own, [event.id for event in leased])
                taken += [event.id for event in leased]
        return taken

    taken = [event for found in in_parallel(4, relay) for event in found]
    assert len(taken) == len(set(taken)) == count_events(state.database).settled == 40
