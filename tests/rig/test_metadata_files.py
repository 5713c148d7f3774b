import json
import logging
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opticstream.core.errors import WriteFailed
from opticstream.core.process_identity import this_process
from opticstream.rig import (
    DebugState,
    EndState,
    MetadataFiles,
    ModuleOutcome,
    RepositoryRecord,
    SessionOutcome,
    create_session_folder,
    load_parameters,
    session_log,
)
from opticstream.rig.session_log import copy_log
from support.unprivileged import folder_of_nobody

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def session(tmp_path):
    return create_session_folder(tmp_path / "root", "m", this_process("here"))


@pytest.fixture
def written(session):
    files = MetadataFiles(session.metadata)

    def read(name):
        return json.loads((files.metadata / name).read_text("utf-8"))

    return files, read


def end_state(**more):
    values = {
        "session_uuid": "s",
        "subject_id": "m",
        "user_id": "u",
        "rig_id": "r",
        "launcher": "python",
        "session_folder": "/x",
        "start_time": START,
        "stop_time": START + timedelta(seconds=90),
        "outcome": SessionOutcome.COMPLETED,
    }
    return EndState.model_validate(values | more)


def test_the_input_is_kept_byte_for_byte(written, files, rig):
    out, _ = written
    loaded = load_parameters(files / "bonsai_master.json", rig)
    out.write_input(loaded)
    assert (out.metadata / "input_parameters.json").read_bytes() == (files / "bonsai_master.json").read_bytes()


def test_a_forms_input_is_what_was_given_without_secrets(written, rig):
    out, read = written
    out.write_input(load_parameters({"mouse_id": "m", "session_sync_secret": "pw"}, rig))
    assert read("input_parameters.json") == {"mouse_id": "m"}


def test_processed_parameters_are_final_and_can_be_launched_again(written, files, rig, session):
    out, read = written
    loaded = load_parameters(files / "legacy.json", rig)
    parameters, _ = loaded.resolve(session.name, session.path)
    out.write_processed(loaded, parameters)
    document = read("processed_parameters.json")
    assert document["session_uuid"] == session.name and document["output_session_folder"] == str(session.path)
    assert document["script_parameters"]["Path"] == "D:\\Data" and document["rig_id"] == "rig-3"
    assert load_parameters(out.processed_path, rig).parameters.program_path == "flows/x.bonsai"


def test_the_command_line_hides_secrets(written, files, rig):
    out, read = written
    arguments = [
        "opticstream",
        "launch",
        "a b.json",
        "--set",
        "session_sync_secret=pw",
        "--set=session_sync_secret=pw",
        "--set",
        "x=1",
    ]
    out.write_command_line(arguments, load_parameters(files / "python_zmq.json", rig))
    document = read("command_line_arguments.json")
    assert "pw" not in json.dumps(document["arguments"]) and document["arguments"][-1] == "x=1"
    assert document["original_param_file"] == str(files / "python_zmq.json")
    assert document["working_directory"] == str(Path.cwd())
    assert datetime.fromisoformat(document["timestamp"]).utcoffset() == timedelta(0)
    assert "a b.json" in document["command_line"] and "=pw" not in document["command_line"]


def test_revisions(written, tmp_path):
    out, read = written
    out.write_revisions(
        RepositoryRecord(path=tmp_path, repository_url="u", commit="c", dirty=True, changed_files=("f",))
    )
    theirs, ours = read("git_revisions.json")
    assert (theirs["name"], theirs["commit"], theirs["dirty"]) == ("workflow_repository", "c", True)
    assert ours["name"] == "opticstream" and ours["package_version"]
    assert ours["commit"] is None or len(ours["commit"]) == 40
    out.write_revisions(None)
    assert [entry["name"] for entry in read("git_revisions.json")] == ["opticstream"]


@pytest.mark.parametrize(
    ("outcome", "code"),
    [("completed", 0), ("completed_with_failures", 1), ("failed", 1), ("aborted", 3), ("interrupted", 130)],
)
def test_end_state_says_how_it_ended(written, outcome, code):
    out, read = written
    modules = (ModuleOutcome(stage="pre_acquisition", name="a", outcome="completed"),)
    out.write_end_state(
        end_state(
            outcome=outcome,
            modules=modules,
            clock_offset_s=0.5,
            rig_config={"session_sync_secret": "pw", "x": float("nan")},
        )
    )
    document = read("end_state.json")
    assert (document["outcome"], document["exit_code"], document["duration_s"]) == (outcome, code, 90)
    assert document["stop_time"] == "2026-01-02T03:05:35+00:00"
    keys = "session_uuid subject_id user_id start_time stop_time process_returncode version rig_config experiment_data"
    assert set(keys.split()) <= set(document)
    assert document["clock_offset_s"] == 0.5 and document["rig_config"] == {
        "session_sync_secret": "**********",
        "x": "nan",
    }


def test_end_state_wants_times_with_offset():
    with pytest.raises(ValueError, match="timezone"):
        end_state(start_time=datetime(2026, 1, 1))  # noqa: DTZ001


class _Odd:
    def __repr__(self):
        raise RuntimeError("no words")


def test_debug_state_describes_whatever_there_is(written):
    out, read = written
    try:
        raise ValueError("broken \udcff")
    except ValueError as error:
        state = {
            "n": 1,
            "_private": 2,
            "odd": _Odd(),
            "event": threading.Event,
            "deep": {1: [START, {"a"}]},
            "nan": float("inf"),
        }
        state["loop"] = state
        out.write_debug_state(DebugState.of(error, "s", state))
    document = read("debug_state.json")
    assert document["crash_info"]["exception_type"] == "ValueError"
    assert "test_metadata_files" in document["traceback"] and document["session_uuid"] == "s"
    assert document["launcher_state"]["odd"] == "<_Odd>"
    assert document["launcher_state"]["deep"] == {"1": ["2026-01-02T03:04:05+00:00", ["a"]]}
    assert "_private" not in document["launcher_state"]


def test_a_minimal_session_json_never_replaces_a_richer_one(written, session):
    out, _ = written
    state = end_state(experiment_data={"experiment_notes": "fine"})
    assert out.write_session(session.path, state)
    document = json.loads((session.path / "session.json").read_text())
    assert document["notes"] == "fine" and document["session_end_time"] == "2026-01-02T03:05:35+00:00"
    (session.path / "session.json").write_text("{}")
    assert not out.write_session(session.path, state)
    assert (session.path / "session.json").read_text() == "{}"


def test_a_disk_that_refuses(rig):
    with folder_of_nobody() as folder:
        (folder / "m").mkdir(mode=0o500)
        with pytest.raises(WriteFailed, match="input_parameters"):
            MetadataFiles(folder / "m").write_input(load_parameters({}, rig))
        with pytest.raises(WriteFailed, match=r"launcher\.log"), session_log(folder / "m"):
            pass


def test_the_session_log_has_everything_and_its_copy_too(session, tmp_path):
    logger = logging.getLogger("opticstream.test_session_log")
    with session_log(session.metadata, tmp_path / "central") as path:
        logger.debug("detail ü \udcff")
        logger.info("started")
    logger.info("after")
    lines = path.read_text("utf-8").splitlines()
    assert [line.rpartition(" - ")[2] for line in lines] == ["detail ü \\udcff", "started"]
    assert datetime.fromisoformat(lines[0].partition(" - ")[0]).utcoffset() == timedelta(0)
    (copy,) = (tmp_path / "central").rglob("*.log")
    assert copy.name == f"{session.name}.log" and copy.read_bytes() == path.read_bytes()
    assert copy.parent.relative_to(tmp_path / "central").parts[0] == f"{datetime.now().astimezone():%Y}"
    assert logging.getLogger("opticstream").level == logging.NOTSET


def test_rigs_that_share_a_name_and_a_central_folder_keep_their_logs(tmp_path):
    """Session sync gives each rig's session the same name, and a lab has one folder for logs."""
    logs = []
    for rig in ("stage", "imaging"):
        metadata = tmp_path / rig / "m1" / "launcher_metadata"
        metadata.mkdir(parents=True)
        logger = logging.getLogger(f"opticstream.test_{rig}")
        with session_log(metadata, tmp_path / "central", logger=logger) as path:
            logger.info("of %s", rig)
        logs.append(path.read_bytes())
    copies = sorted((tmp_path / "central").rglob("*.log"))
    assert sorted(copy.read_bytes() for copy in copies) == sorted(logs)
    assert [path for path in (tmp_path / "central").rglob("*") if path.is_file()] == copies


def test_a_central_folder_that_refuses_is_a_warning(session, tmp_path, caplog):
    (tmp_path / "file").touch()
    with session_log(session.metadata, tmp_path / "file"):
        pass
    assert "the log was not copied there" in caplog.text


@pytest.mark.skipif(os.name == "nt", reason="a pipe stands for a share that hangs")
def test_a_central_folder_that_hangs_is_left_behind(session, tmp_path, caplog):
    metadata = session.metadata
    os.mkfifo(metadata / "pipe")
    assert not copy_log(metadata / "pipe", tmp_path / "central", metadata, timeout_s=0.2)
    assert "no answer within 0.2 s" in caplog.text
    with (metadata / "pipe").open("wb"):  # lets the thread go
        pass
