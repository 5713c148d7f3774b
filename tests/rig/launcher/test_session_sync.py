"""Rigs that agree on a session's name: each a launcher in a process of its own."""

import json
import os
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opticstream.core.operator import Question, Value
from support.launching import Launch, Left, launched, only_session, parameters
from support.old_sync import Running
from support.pipeline import Desk
from support.repository import ROOT
from support.sync_bench import Bench

Begin = Callable[..., Launch]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def master(folder: Path, port: int, slaves: int = 2, **more: Any) -> dict[str, Any]:
    sync = {"session_sync_role": "master", "session_sync_expected_slaves": slaves, "session_sync_port": port}
    return parameters(folder, "print('on')", **sync, **({"session_sync_node_name": "stage"} | more))


def slave(folder: Path, port: int, node: str, **more: Any) -> dict[str, Any]:
    sync = {"session_sync_role": "slave", "session_sync_master_host": "127.0.0.1", "session_sync_port": port}
    quick = {"session_sync_retry_delay_sec": 0.1, "session_sync_node_name": node}
    return parameters(folder, "print('on')", **sync, **(quick | more))


def test_three_rigs_get_one_name(begin: Begin, tmp_path: Path, free_port: int) -> None:
    roots = {name: tmp_path / name for name in ("stage", "imaging", "cameras")}
    launches = [
        begin(slave(roots["imaging"], free_port, "imaging")),
        begin(master(roots["stage"], free_port)),
        begin(slave(roots["cameras"], free_port, "cameras")),
    ]
    said = [launch.ended(0) for launch in launches]
    assert len({each["session_name"] for each in said}) == 1, said
    for name, root in roots.items():
        left = only_session(root / "out")
        assert left.folder.name == said[0]["session_name"]
        sync = left.end["session_sync"]
        assert (sync["outcome"], sync["node_name"]) == ("released", name)
        assert (left.metadata / "acquisition_stdout.log").read_text() == "on\n"
        if name != "stage":
            assert abs(sync["clock_offset_s"]) <= sync["clock_uncertainty_s"] + 0.01  # all have this clock
    assert {"imaging", "cameras"} <= set(
        json.dumps(only_session(roots["stage"] / "out").end["session_sync"]).split('"')
    )


def test_two_rigs_share_one_folder(begin: Begin, tmp_path: Path, free_port: int) -> None:
    launches = [begin(master(tmp_path, free_port, 1)), begin(slave(tmp_path, free_port, "imaging"))]
    for launch in launches:
        launch.ended(0)
    (folder,) = (tmp_path / "out").iterdir()
    metadata = sorted(path.name for path in folder.glob("launcher_metadata*"))
    assert len(metadata) == 2 and metadata[0] == "launcher_metadata", metadata
    assert metadata[1] in ("launcher_metadata_stage", "launcher_metadata_imaging")
    ends = [json.loads((folder / name / "end_state.json").read_text()) for name in metadata]
    assert {end["session_sync"]["node_name"] for end in ends} == {"stage", "imaging"}
    assert all(end["exit_code"] == 0 for end in ends)
    assert all((folder / name / "acquisition_stdout.log").read_text() == "on\n" for name in metadata)


def _tries(port: int, begin: Begin, given: dict[str, Any]) -> Launch:
    """Begin a slave, and wait until it looks for its master: from then on it finds one in a tenth of a second."""
    with socket.create_server(("127.0.0.1", port)) as nobody:
        nobody.settimeout(100)
        launch = begin(given)
        nobody.accept()[0].close()
    return launch


def test_without_agreement_nobody_proceeds_and_all_are_told_why(begin: Begin, tmp_path: Path, free_port: int) -> None:
    imaging = _tries(free_port, begin, slave(tmp_path / "imaging", free_port, "imaging"))
    stage = begin(master(tmp_path / "stage", free_port, 2, session_sync_timeout_sec=6))
    said = [launch.ended(1) for launch in (stage, imaging)]
    assert [each["session_folder"] for each in said] == [None, None]
    assert "imaging" in said[0]["reason"] or "1 of 2" in said[0]["reason"], said[0]["reason"]
    assert "1 of 2" in said[1]["reason"] or "missing" in said[1]["reason"], said[1]["reason"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]


def test_a_wrong_key_is_told_on_both_sides(begin: Begin, tmp_path: Path, free_port: int) -> None:
    stage = begin(master(tmp_path / "stage", free_port, 1))
    imaging = begin(slave(tmp_path / "imaging", free_port, "imaging") | {"subject_id": "m2"})
    told = imaging.ended(1)
    assert "key" in told["reason"], told["reason"]
    stage.until(lambda: b"session_key_mismatch" in _read(stage))
    stage.send(signal.SIGINT)
    assert [each["session_folder"] for each in (told, stage.ended(130))] == [None, None]


def test_the_shipped_examples_run_as_they_stand(begin: Begin, home: Path, tmp_path: Path, free_port: int) -> None:
    shutil.copytree(ROOT / "params", tmp_path / "params")
    roles = ("master", "slave")
    given = [json.loads((tmp_path / "params" / f"session_sync_{role}_example.json").read_text()) for role in roles]
    port = ("--set", f"session_sync_port={free_port}")
    launches = [
        begin(one, *port, "--set", f"output_root_folder={tmp_path / one['output_root_folder']}") for one in given
    ]
    names = {launch.ended(0)["session_name"] for launch in launches}
    assert len(names) == 1


@pytest.mark.parametrize(
    ("allowed", "answer", "alone"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_going_on_alone(tmp_path: Path, free_port: int, allowed: bool, answer: bool, alone: bool) -> None:
    given = master(tmp_path, free_port, 1, session_sync_timeout_sec=0.3, session_sync_allow_bypass=allowed)
    desk = Desk({"session_sync_bypass": answer})
    report = launched(given, operator=desk)
    assert (report.exit_code == 0) == alone, report.reason
    assert bool(desk.asked) == allowed
    if alone:
        left = Left(report.session_folder)
        assert left.end["session_sync"]["outcome"] == "failed"
        assert any("bypassed" in warning for warning in report.warnings)
    else:
        assert report.session_folder is None and not (tmp_path / "out").exists()


def test_a_name_that_would_leave_the_root_is_refused(tmp_path: Path) -> None:
    bench = Bench()
    running = Running(lambda: launched(slave(tmp_path, bench.port, "imaging", session_sync_timeout_sec=60)))
    connection, _ = bench.listener.accept()
    with connection:
        connection.settimeout(60)
        ready = json.loads(connection.makefile().readline())
        message = {"status": "announce", "session_key": ready["session_key"], "session_name": "../../outside"}
        connection.sendall(json.dumps(message | {"expected_slaves": 1, "master": "x"}).encode() + b"\n")
        report = running.done()
    bench.close()
    assert report.exit_code == 1 and report.session_folder is None
    assert not (tmp_path / "outside").exists() and not (tmp_path.parent / "outside").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_at_the_master_frees_the_slave(begin: Begin, tmp_path: Path, free_port: int) -> None:
    first = begin(master(tmp_path / "stage", free_port))
    second = begin(slave(tmp_path / "imaging", free_port, "imaging"))
    first.until(lambda: b"imaging" in _read(first))
    first.send(signal.SIGINT)
    assert first.ended(130)["reason"] == "Ctrl+C"
    said = second.ended(1)
    assert said["session_folder"] is None and said["reason"]


def _read(launch: Launch) -> bytes:
    """Return what it has said so far, and keep it."""
    assert launch.process.stderr
    os.set_blocking(launch.process.stderr.fileno(), False)
    try:
        launch.said += os.read(launch.process.stderr.fileno(), 65536)
    except BlockingIOError:
        pass
    finally:
        os.set_blocking(launch.process.stderr.fileno(), True)
    return launch.said


class Impatient(Desk):
    """Presses Ctrl+C instead of an answer; where nobody hears it, the answer is yes."""

    def ask(self, question: Question, timeout_s: float | None = None) -> Value:
        signal.raise_signal(signal.SIGINT)
        self.told.append("nobody heard it")
        return True


def test_ctrl_c_at_the_question_whether_to_go_on_alone(tmp_path: Path, free_port: int) -> None:
    desk = Impatient()
    given = master(tmp_path, free_port, 1, session_sync_timeout_sec=0.3, session_sync_allow_bypass=True)
    report = launched(given, operator=desk)
    assert not desk.told
    assert (report.exit_code, report.reason, report.session_folder) == (130, "Ctrl+C", None)
