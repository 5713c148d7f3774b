"""What is made of a session whose launcher was stopped or killed, by `finish_session`."""

import json
import logging
import os
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from sqlalchemy import select, update

from opticstream.core.session_events import SessionEvent
from opticstream.core.settings import load_settings
from opticstream.rig.launcher.finish import finish_session
from opticstream.rig.launcher.report import SessionReport
from opticstream.rig.operators import make_operator
from opticstream.state import open_database
from opticstream.state.sessions import begin_session, find_session
from opticstream.state.tables import sessions
from support.launching import Left, launched, module, parameters

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
STOPPED = "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(30)"


@pytest.fixture(autouse=True)
def nobody_else_finishes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opticstream.rig.launcher.conduct.finish_elsewhere", lambda session: None)


def finished(left: Left) -> SessionReport:
    return finish_session(left.folder, load_settings(), make_operator("headless"))


def stopped(folder: Path, *after: Any) -> Left:
    """Return a session that got SIGTERM in its first module after a good acquisition."""
    post = [module(folder, "stop", STOPPED), *after]
    left = Left(launched(parameters(folder, "print(1)", post_acquisition_pipeline=post)).session_folder)
    assert left.end["reason"] == "SIGTERM"
    return left


def killed(folder: Path, *after: Any) -> tuple[Left, dict[str, Any]]:
    """Return a session as a launcher leaves it that is killed before it can say how it ended; and what it would say."""
    left = Left(launched(parameters(folder, post_acquisition_pipeline=list(after))).session_folder)
    said = left.end
    (left.metadata / "end_state.json").unlink()
    return left, said


def test_the_archive_has_the_end_state_that_finishing_wrote(tmp_path: Path) -> None:
    archiver = {
        "module_path": "session_archiver",
        "module_parameters": {"network_dir": str(tmp_path / "network")},
        "run": "always",
    }
    left = stopped(tmp_path, archiver)
    finished(left)
    assert left.modules["session_archiver"] == "completed"
    archived = Left(tmp_path / "network" / left.folder.name)
    assert archived.end == left.end
    assert "left_to_finish" not in archived.end


def test_a_launcher_leaves_the_archive_to_whoever_finishes_its_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both would refresh it in the same moment, and of two archivers at work on a session one is refused."""

    def refresh(folder: Path, manifest: Path) -> None:
        with FileLock(manifest.with_suffix(".lock")):
            finished(Left(folder))

    first, second = (
        {
            "module_path": "session_archiver",
            "module_parameters": {"network_dir": str(tmp_path / name)},
            "run": "always",
        }
        for name in ("first", "second")
    )
    with monkeypatch.context() as patch:
        patch.setattr("opticstream.rig.launcher.closing.refresh_metadata", refresh)
        post = [first, module(tmp_path, "stop", STOPPED), second]
        left = Left(launched(parameters(tmp_path, "print(1)", post_acquisition_pipeline=post)).session_folder)
    finished(left)
    assert left.modules == {"session_archiver (1)": "completed", "stop": "failed", "session_archiver (2)": "completed"}


def test_the_row_says_what_the_end_state_says(tmp_path: Path) -> None:
    left = stopped(tmp_path, module(tmp_path, "tidy", "pass", run="always"))
    finished(left)
    with open_database(load_settings()) as database:
        view = find_session(database, left.folder.name)
    assert view is not None
    assert view.end_state == left.end


def test_a_session_that_is_finished_later_ended_when_it_did(tmp_path: Path) -> None:
    times = "(context.session_folder / 'times').write_text(f'{context.start_time} {context.stop_time}')"
    left = stopped(tmp_path, module(tmp_path, "tidy", times, run="always"))
    acquisition = left.end["acquisition"]
    finished(left)
    start, stop = (left.folder / "times").read_text().split(" 20")
    assert datetime.fromisoformat(f"20{stop}") == datetime.fromisoformat(acquisition["stopped"])
    assert datetime.fromisoformat(start) == datetime.fromisoformat(left.end["start_time"])


def test_a_killed_launchers_session_keeps_its_start_and_its_rig(tmp_path: Path) -> None:
    seen = "(context.session_folder / 'rig').write_text(context.rig_id)"
    left, said = killed(tmp_path, module(tmp_path, "tidy", seen, run="always"))
    lock = json.loads((left.metadata / "session_lock.json").read_text("utf-8"))
    report = finished(left)
    assert report.reason == "its launcher died"
    assert left.end["start_time"] <= lock["locked_at"].replace("Z", "+00:00")
    assert left.end["rig_id"] == said["rig_id"] == "rig-3"
    assert (left.folder / "rig").read_text() == "rig-3"


def test_a_stop_signal_in_a_module_that_always_runs_leaves_that_one_too(tmp_path: Path) -> None:
    first = "if 'second' in [path.name for path in context.session_folder.iterdir()]:\n    return\n"
    body = f"{first}(context.session_folder / 'second').touch()\n{STOPPED}"
    post = [module(tmp_path, "copy", body, run="always"), module(tmp_path, "tidy", "pass", run="always")]
    left = Left(launched(parameters(tmp_path, "print(1)", post_acquisition_pipeline=post)).session_folder)
    assert left.end["left_to_finish"] == ["copy", "tidy"]
    finished(left)
    assert left.modules == {"copy": "completed", "tidy": "completed"}
    assert [each["name"] for each in left.end["modules"]] == ["copy", "tidy"]


def test_ctrl_c_in_a_module_that_always_runs_is_a_persons_word(tmp_path: Path) -> None:
    body = STOPPED.replace("SIGTERM", "SIGINT")
    post = [module(tmp_path, "copy", body, run="always"), module(tmp_path, "tidy", "pass", run="always")]
    left = Left(launched(parameters(tmp_path, "print(1)", post_acquisition_pipeline=post)).session_folder)
    assert left.modules == {"copy": "failed", "tidy": "completed"}
    assert "left_to_finish" not in left.end
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Signalling(logging.Handler):
    """Sends SIGTERM with the first word, which is said between two modules."""

    def emit(self, record: logging.LogRecord) -> None:
        if "going on" in record.getMessage():
            signal.raise_signal(signal.SIGTERM)


def test_a_stop_signal_between_two_modules_is_one_too(tmp_path: Path) -> None:
    fails, second = module(tmp_path, "fails", "raise ValueError('x')"), module(tmp_path, "second", "pass")
    post = [fails, second, module(tmp_path, "tidy", "pass", run="always")]
    handler = Signalling()
    logging.getLogger("opticstream.rig").addHandler(handler)
    try:
        left = Left(launched(parameters(tmp_path, "print(1)", post_acquisition_pipeline=post)).session_folder)
    finally:
        logging.getLogger("opticstream.rig").removeHandler(handler)
    assert left.end["left_to_finish"] == ["tidy"]
    assert left.modules_messages["second"] == "not run: SIGTERM"


def test_of_rigs_that_share_a_name_and_a_store_each_row_is_finished(tmp_path: Path) -> None:
    """Session sync gives them one name; the row of the other rig is the newer one."""
    left = stopped(tmp_path, module(tmp_path, "tidy", "pass", run="always"))
    with open_database(load_settings()) as database:
        own = find_session(database, left.folder.name)
        assert own is not None
        facts = {"session": own.name, "folder": own.folder, "subject": "m1", "user": "u1", "launcher": "base"}
        other = begin_session(database, SessionEvent(**facts, rig="imaging"))
        with database.write("test") as connection:  # of another computer
            connection.execute(update(sessions).where(sessions.c.id == other).values(host="imaging"))
    finished(left)
    with open_database(load_settings()) as database, database.peek() as connection:
        rows = {row.id: row.end_state for row in connection.execute(select(sessions))}
    assert rows == {own.id: left.end, other: None}
