"""The row and the events of real launches."""

import os
import signal
from pathlib import Path

import pytest

from opticstream.core.settings import load_settings
from opticstream.rig.launcher.finish import finish_session
from opticstream.rig.operators import make_operator
from opticstream.state import open_database
from opticstream.state.outbox import OutboxEvent, lease_events
from opticstream.state.sessions import SessionView, find_session
from support.launching import Left, launched, module, parameters


def kept(name: str | None) -> tuple[SessionView, list[OutboxEvent]]:
    with open_database(load_settings()) as database:
        view = find_session(database, str(name))
        assert view is not None
        return view, lease_events(database, 0.01)


@pytest.mark.parametrize(
    ("code", "status", "last"), [("print(1)", "completed", "finished"), ("1/0", "failed", "failed")]
)
def test_a_launch_is_announced_once_at_each_stage(tmp_path: Path, code: str, status: str, last: str) -> None:
    report = launched(parameters(tmp_path, code))
    view, events = kept(report.session_name)
    assert (view.status, view.rig, view.subject, view.user) == (status, "rig-3", "m1", "u1")
    assert view.folder == str(report.session_folder) and view.pid == os.getpid()
    assert view.end_state is not None and view.end_state["outcome"] == status
    assert view.end_state["exit_code"] == report.exit_code
    assert [event.event for event in events] == [
        f"opticstream.session.{name}" for name in ("started", "acquiring", last)
    ]
    payloads = [event.payload for event in events]
    assert {payload["session"] for payload in payloads} == {report.session_name}
    assert (payloads[-1]["outcome"], payloads[-1]["exit_code"]) == (status, report.exit_code)
    assert payloads[-1]["reason"] == report.reason


def test_a_session_without_acquisition_is_not_announced_as_acquiring(tmp_path: Path) -> None:
    report = launched(parameters(tmp_path))
    _, events = kept(report.session_name)
    assert [event.event.rpartition(".")[2] for event in events] == ["started", "finished"]


def test_a_launch_that_comes_to_nothing_has_no_row(tmp_path: Path, home: Path) -> None:
    launched(parameters(tmp_path, subject_id=None))
    with open_database(load_settings()) as database:
        assert lease_events(database, 1) == []


def test_a_store_that_is_away_does_not_stop_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTICSTREAM_STATE_URL", "postgresql+psycopg://nobody:secret@127.0.0.1:9/none")
    report = launched(parameters(tmp_path, "print(1)"))
    left = Left(report.session_folder)
    assert report.succeeded and left.end["outcome"] == "completed"
    assert left.log.count("The session's row is not kept") == 1
    assert "secret" not in left.log and "secret" not in str(left.json("processed_parameters"))


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_finishing_ends_the_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opticstream.rig.launcher.conduct.finish_elsewhere", lambda session: None)
    post = [module(tmp_path, "tidy", "pass", run="always"), module(tmp_path, "last", "pass")]
    stop = module(tmp_path, "stop", "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(30)")
    report = launched(parameters(tmp_path, "1", pre_acquisition_pipeline=[stop], post_acquisition_pipeline=post))
    left = Left(report.session_folder)
    assert left.end["left_to_finish"] == ["tidy"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, "the handlers are put back"
    finished = finish_session(left.folder, load_settings(), make_operator("headless"))
    assert finished.outcome == report.outcome
    assert left.modules == {"stop": "failed", "last": "skipped", "tidy": "completed"}
    view, events = kept(report.session_name)
    assert view.end_state is not None and len(view.end_state["modules"]) == 3
    assert [event.event.rpartition(".")[2] for event in events] == ["started", "failed"]
