"""What launchers saved, in the store and behind its Prefect block."""

from typing import Any

import pytest

from opticstream.core.errors import BadInput
from opticstream.core.session_events import SessionEvent
from opticstream.rig.session_state import SessionStateMixin
from opticstream.state import Database
from opticstream.state.session_states import open_state, peek_state, save_state
from opticstream.state.sessions import begin_session


class Trials(SessionStateMixin):
    def __init__(self, count: int = 0) -> None:
        self.trial_count = count


def _session(database: Database, name: str, rig: str, count: int | None) -> int:
    event = SessionEvent(session=name, folder=f"/data/{name}", rig=rig, subject="m1", user="u", launcher="base")
    row = begin_session(database, event)
    if count is not None:
        document = Trials(count).export_session_state()
        assert document is not None
        save_state(database, row, document)
    return row


@pytest.fixture
def filled(database: Database) -> Database:
    """Return the store with four sessions of two rigs."""
    _session(database, "first", "rig-1", 10)
    _session(database, "second", "rig-1", 20)
    _session(database, "other", "rig-2", 30)
    _session(database, "failed", "rig-1", None)  # saved nothing
    return database


def _count(document: dict[str, Any]) -> int:
    launcher = Trials()
    assert launcher.import_session_state(document)
    return launcher.trial_count


def test_the_newest_state_of_a_rig_or_session_is_found(filled: Database) -> None:
    def found(**which: str) -> int | None:
        saved = peek_state(filled, **which)
        return _count(saved.document) if saved else None

    assert (found(rig="rig-1"), found(session="first"), found(), found(session="second", rig="rig-1")) == (
        20,
        10,
        30,
        20,
    )
    assert (
        found(session="failed") is None and found(rig="rig-3") is None and found(session="first", rig="rig-2") is None
    )


def test_an_opened_state_is_changed_whole_or_not_at_all(filled: Database) -> None:
    key = next(iter(peek_state(filled).document["launcher_states"]))  # type: ignore[union-attr]
    with open_state(filled, session="first") as document:
        document["launcher_states"][key]["attributes"]["trial_count"] = 11
    with pytest.raises(RuntimeError), open_state(filled, session="first") as document:
        document["launcher_states"][key]["attributes"]["trial_count"] = 12
        raise RuntimeError
    assert _count(peek_state(filled, session="first").document) == 11  # type: ignore[union-attr]
    with pytest.raises(BadInput, match="session state of nobody: found none"), open_state(filled, session="nobody"):
        raise AssertionError("not entered")


def test_the_block_hands_a_state_to_another_host(filled: Database, prefect_api: str) -> None:
    from opticstream.state.blocks.session_state import SessionState

    name = SessionState.document_name("Rig 1.b")
    assert name == "rig-1-b-session-state"
    SessionState(rig="rig-1").save(name, overwrite=True)  # type: ignore[call-arg]
    block = SessionState.load(name)
    try:
        saved = block.peek()
        assert saved is not None and (saved.session, _count(saved.document)) == ("second", 20)
        with block.open("first") as document:
            document["note"] = "seen"
        assert block.peek("first").document["note"] == "seen"  # type: ignore[union-attr]
    finally:
        block.close()
