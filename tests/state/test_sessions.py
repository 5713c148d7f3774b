"""A session's row and its events, in whichever store."""

from pathlib import Path

import pytest

from opticstream.core.session_events import SessionEvent
from opticstream.core.settings import Settings
from opticstream.state import Database
from opticstream.state.outbox import lease_events
from opticstream.state.sessions import (
    begin_session,
    end_session,
    find_session,
    keep_artifacts,
    mark_told,
    session_acquires,
    sessions_to_tell,
)

RUN = "00000000-0000-0000-0000-000000000001"
EVENT = SessionEvent(
    session="m1_x", folder="/data/m1_x", rig="rig-3", subject="m1", user="u1", launcher="python", flow_run_id=RUN
)


def ended(outcome: str, code: int) -> SessionEvent:
    return EVENT.model_copy(update={"outcome": outcome, "exit_code": code, "reason": "because\0 of \ud800"})


def test_a_rows_life_and_its_events(database: Database) -> None:
    row = begin_session(database, EVENT)
    assert (view := find_session(database, "m1_x")) is not None
    assert (view.status, view.finished_at, view.flow_run_id, view.rig) == ("started", None, RUN, "rig-3")
    session_acquires(database, row, EVENT)
    end_session(database, row, ended("completed", 0), {"outcome": "completed"})
    view = find_session(database, "m1_x")
    assert view is not None and view.finished_at is not None and view.started_at <= view.finished_at
    assert (view.status, view.end_state) == ("completed", {"outcome": "completed"})
    assert "\0" not in view.reason and view.reason.startswith("because")
    events = lease_events(database, 5)
    assert [event.event.rpartition(".")[2] for event in events] == ["started", "acquiring", "finished"]
    assert {event.resource for event in events} == {"opticstream.session.m1_x"}
    assert {event.project for event in events} == {"rig-3"}
    assert events[0].payload["folder"] == "/data/m1_x" and events[2].payload["exit_code"] == 0


def test_the_same_word_twice_is_announced_once(database: Database) -> None:
    row = begin_session(database, EVENT)
    for _ in range(2):
        session_acquires(database, row, EVENT)
        end_session(database, row, ended("failed", 1), {})
    assert [event.event.rpartition(".")[2] for event in lease_events(database, 5)] == ["started", "acquiring", "failed"]
    end_session(database, row, ended("interrupted", 130), {})
    view = find_session(database, "m1_x")
    assert view is not None and view.status == "interrupted", "a later word replaces an earlier one"


def test_only_ended_sessions_of_a_run_are_to_be_told(database: Database) -> None:
    open_one = begin_session(database, EVENT)
    plain = begin_session(database, EVENT.model_copy(update={"session": "plain", "flow_run_id": None}))
    done = begin_session(database, EVENT.model_copy(update={"session": "done"}))
    for row in (plain, done):
        end_session(database, row, ended("completed", 0), {})
    keep_artifacts(database, done, [{"type": "markdown", "key": "k"}])
    (told,) = sessions_to_tell(database)
    assert (told.id, told.name, told.artifacts) == (done, "done", [{"type": "markdown", "key": "k"}])
    mark_told(database, done)
    assert sessions_to_tell(database) == []
    end_session(database, open_one, ended("failed", 1), {})
    assert [view.id for view in sessions_to_tell(database)] == [open_one]


def test_names_of_any_length_and_the_newest_of_one_name(database: Database) -> None:
    long = EVENT.model_copy(update={"session": "ü" * 120, "rig": "r" * 300, "folder": "/x" * 2000})
    first, second = begin_session(database, long), begin_session(database, long)
    view = find_session(database, "ü" * 120)
    assert view is not None and view.id == second != first
    assert len(lease_events(database, 5)) == 2
    assert find_session(database, "gone") is None


@pytest.mark.parametrize("folder", ["", "C:\\LabData\\m1"])
def test_a_folder_of_any_system(database: Database, folder: str, settings: Settings, tmp_path: Path) -> None:
    begin_session(database, EVENT.model_copy(update={"folder": folder}))
    view = find_session(database, "m1_x")
    assert view is not None and view.folder == folder
