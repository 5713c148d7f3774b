"""Ctrl+C, SIGTERM and SIGKILL: the tree ends or goes on as promised, and the session's files say so."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.command import command_environment, run_command
from support.launching import LONG, STUBBORN_FAMILY, Launch, Left, launched, lives, module, only_session, parameters
from support.waiting import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.name == "nt", reason="signals of POSIX"),
]
Begin = Callable[..., Launch]


def with_modules(folder: Path, code: str | None, pre: str = "", post: str = "", **more: Any) -> dict[str, Any]:
    """Return parameters with one module before and three after, of which one always runs."""
    return parameters(
        folder,
        code,
        pre_acquisition_pipeline=[module(folder, "before", pre or "pass")],
        post_acquisition_pipeline=[
            module(folder, "after", post or "pass"),
            module(folder, "tidy", "pass", run="always"),
            module(folder, "last", "pass"),
        ],
        **more,
    )


@pytest.mark.parametrize("group", [False, True], ids=["launcher", "terminal"])
def test_ctrl_c_ends_the_tree_and_runs_what_always_runs(
    begin: Begin, tmp_path: Path, doomed: list[int], group: bool
) -> None:
    launch = begin(with_modules(tmp_path, STUBBORN_FAMILY))
    left = launch.until_acquiring("grandchild")
    doomed.append(int((left.metadata / "acquisition_stdout.log").read_text().split()[1]))
    launch.send(signal.SIGINT, group=group)
    said = launch.ended(130)
    assert not lives(doomed[0]), "the grandchild that ignores SIGTERM is gone too"
    assert (said["outcome"], said["reason"]) == ("interrupted", "Ctrl+C")
    assert left.modules == {"before": "completed", "after": "skipped", "tidy": "completed", "last": "skipped"}
    assert left.ran == {"before", "tidy"}
    assert (left.end["exit_code"], left.end["acquisition"]["outcome"]) == (130, "stopped")
    assert not (left.folder / "session_state.json").exists()


def test_a_second_ctrl_c_ends_patience(begin: Begin, tmp_path: Path) -> None:
    deaf = "import signal, time\nsignal.signal(2, lambda *_: print('heard'))\nprint('on')\nwhile True: time.sleep(1)\n"
    launch = begin(with_modules(tmp_path, deaf, process_stop_timeout_sec=300))
    left = launch.until_acquiring()
    launch.send(signal.SIGINT)
    launch.until_acquiring("heard")  # two signals that come at once are one
    launch.send(signal.SIGINT)
    launch.ended(130)
    assert left.modules["tidy"] == "completed"


def test_ctrl_c_in_a_module_before(begin: Begin, tmp_path: Path) -> None:
    launch = begin(with_modules(tmp_path, LONG, pre="import time; time.sleep(300)"))
    launch.until(lambda: list(tmp_path.glob("out/*/ran_before")))
    launch.send(signal.SIGINT, group=True)
    launch.ended(130)
    left = only_session(launch.root)
    assert left.modules == {"before": "failed", "after": "skipped", "tidy": "completed", "last": "skipped"}
    assert left.end["process_returncode"] is None


def test_ctrl_c_in_a_module_after(begin: Begin, tmp_path: Path) -> None:
    launch = begin(with_modules(tmp_path, "print('done')", post="import time; time.sleep(300)"))
    launch.until(lambda: list(tmp_path.glob("out/*/ran_after")))
    launch.send(signal.SIGINT, group=True)
    launch.ended(130)
    left = only_session(launch.root)
    assert left.modules == {"before": "completed", "after": "failed", "tidy": "completed", "last": "skipped"}
    assert (left.end["process_returncode"], left.end["outcome"]) == (0, "interrupted")


def test_ctrl_c_while_rigs_are_awaited(begin: Begin, tmp_path: Path, free_port: int) -> None:
    sync = {"session_sync_role": "master", "session_sync_port": free_port, "session_sync_expected_slaves": 1}
    launch = begin(parameters(tmp_path, LONG, **sync))
    launch.until(lambda: _listens(launch.process.pid))
    launch.send(signal.SIGINT, group=True)
    said = launch.ended(130)
    assert (said["session_folder"], said["outcome"]) == (None, "interrupted")
    assert not launch.root.exists()


def _listens(pid: int) -> bool:
    return any(c.status == psutil.CONN_LISTEN for c in psutil.Process(pid).net_connections("inet"))


def test_ctrl_c_while_a_repository_is_cloned(begin: Begin, tmp_path: Path) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    # The launcher's own revision is asked for at the same time, by the same program.
    slow.write_text(f'#!/bin/sh\ncase "$*" in *clone*) touch "{tmp_path}/cloning"; exec sleep 300;; esac\nexit 1\n')
    slow.chmod(0o755)
    given = with_modules(
        tmp_path, LONG, repository_url="https://git.example.org/x.git", local_repository_path=str(tmp_path / "code")
    )
    launch = begin(given, PATH=f"{slow.parent}{os.pathsep}{os.environ['PATH']}")
    launch.until((tmp_path / "cloning").exists)
    launch.send(signal.SIGINT)
    launch.ended(130)
    left = only_session(launch.root)
    assert left.modules == {"after": "skipped", "tidy": "completed", "last": "skipped"}
    assert [path.name for path in (tmp_path / "code").iterdir() if not path.name.endswith(".lock")] == []


@pytest.mark.parametrize("when", ["acquisition", "before"])
def test_sigterm_leaves_the_rest_to_a_process_of_its_own(begin: Begin, tmp_path: Path, when: str) -> None:
    launch = begin(with_modules(tmp_path, LONG, pre="import time; time.sleep(300)" if when == "before" else ""))
    if when == "before":
        launch.until(lambda: list(tmp_path.glob("out/*/ran_before")))
    else:
        launch.until_acquiring()
    launch.send(signal.SIGTERM)
    said = launch.ended(130)
    left = only_session(launch.root)
    assert (said["outcome"], said["reason"]) == ("interrupted", "SIGTERM")
    until(lambda: "tidy" in left.modules and _released(left))
    assert (left.modules["tidy"], left.modules["after"]) == ("completed", "skipped")
    assert (left.end["outcome"], left.end["exit_code"]) == ("interrupted", 130)
    assert "left_to_finish" not in left.end
    if when == "acquisition":
        assert left.end["acquisition"]["outcome"] == "stopped", "what the launcher saw is kept"
    assert left.ran == {"before", "tidy"}


def _released(left: Left) -> bool:
    newest = sorted(left.metadata.glob("session_lock*.json"), key=lambda path: path.stat().st_mtime_ns)[-1]
    return json.loads(newest.read_text())["released_at"] is not None


def test_an_acquisition_outlives_a_killed_launcher(begin: Begin, home: Path, tmp_path: Path, doomed: list[int]) -> None:
    given = with_modules(tmp_path, LONG.replace("'on'", "'on', __import__('os').getpid()"))
    launch = begin(given)
    left = launch.until_acquiring()
    doomed.append(int((left.metadata / "acquisition_stdout.log").read_text().split()[1]))
    refused = run_command(command_environment(home), "launch", "--finish", left.folder, expect=2)
    assert "runs since" in refused.stderr, "its launcher lives"
    launch.send(signal.SIGKILL)
    launch.process.wait()
    assert lives(doomed[0])
    refused = run_command(command_environment(home), "launch", "--finish", left.folder, expect=2)
    assert "acquisition has ended" in refused.stderr, "the acquisition still writes there"
    assert not (left.metadata / "end_state.json").exists()

    second = begin(given)
    said = second.ended(3)
    assert said["outcome"] == "aborted" and said["session_folder"] is None
    assert str(doomed[0]) in said["reason"] and "orphaned_acquisition" in said["reason"]
    assert only_session(launch.root).folder == left.folder, "nothing was made"

    short = parameters(tmp_path, "print('short')")
    third = begin(short, "--set", "orphaned_acquisition=end")
    said = third.ended(0)
    assert not lives(doomed[0])
    assert any("outlived its launcher" in warning for warning in said["warnings"])

    done = run_command(command_environment(home), "launch", "--finish", left.folder, "--json", expect=1)
    assert json.loads(done.stdout)["reason"] == left.end["reason"] == "its launcher died"
    assert left.end["outcome"] == "failed"
    assert left.modules == {"tidy": "completed"} and left.ran == {"before", "tidy"}
    again = run_command(command_environment(home), "launch", "--finish", left.folder, "--json", expect=1)
    assert json.loads(again.stdout)["modules"] == json.loads(done.stdout)["modules"], "it is not run twice"


def test_a_closed_terminal_is_a_stop(begin: Begin, tmp_path: Path) -> None:
    launch = begin(with_modules(tmp_path, LONG))
    left = launch.until_acquiring()
    launch.send(signal.SIGHUP)
    launch.ended(130)
    until(lambda: "tidy" in left.modules and _released(left))
    assert (left.end["outcome"], left.end["reason"]) == ("interrupted", "SIGHUP")


def test_what_lies_in_the_working_directory_does_not_get_in_the_way_of_finishing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People launch where their scripts are, and these have names such as queue.py or calendar.py."""
    monkeypatch.chdir(tmp_path)
    Path("queue.py").write_text("raise RuntimeError('a script of somebody')")
    stop = "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(30)"
    before = set(psutil.Process().children())  # such as servers that all tests share
    left = Left(launched(with_modules(tmp_path, LONG, pre=stop)).session_folder)
    log = left.metadata / "finish.log"
    until(lambda: ("tidy" in left.modules and _released(left)) or "a script of somebody" in log.read_text())
    for process in set(psutil.Process().children()) - before:  # it is detached, and nobody else collects it here
        os.waitpid(process.pid, 0)
    assert left.modules["tidy"] == "completed", log.read_text()
