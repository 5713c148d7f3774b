"""Acquisitions that are ended: by request and by watchdogs, in bounded time, with all their processes."""

import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from opticstream.core.errors import BadInput
from opticstream.core.process_identity import process_birth
from opticstream.rig.engine import Watchdogs
from opticstream.rig.engine.process_tree import ProcessTree
from opticstream.rig.engine.watchdogs import Facts
from support.acquisition import STUBBORN, Start, into, until

AT_LAST_S = 60.0
"""Far below what the scripts here would run, far above what a busy machine needs to end them."""


def test_the_interrupt_lets_it_end_by_itself(start: Start, session: Path) -> None:
    lines: list[str] = []
    code = "import time\ntry:\n  print('on'); time.sleep(600)\nexcept KeyboardInterrupt:\n  print('saved')"
    running = start(code, on_line=into(lines))
    until(lambda: lines, running)
    assert (session / "launcher_metadata" / "acquisition.json").is_file()
    began = time.monotonic()
    result = running.stop("operator", 300)
    assert time.monotonic() - began < AT_LAST_S
    assert (result.outcome, result.reason, result.exit_code) == ("stopped", "operator", 0)
    assert lines == ["on", "saved"]
    assert not (session / "launcher_metadata" / "acquisition.json").exists()


def test_what_ignores_everything_is_killed_with_its_tree(start: Start, doomed: list[int]) -> None:
    """A child in the group, a grandchild in a session of its own; all ignore SIGINT and SIGTERM."""
    lines: list[str] = []
    code = STUBBORN + (
        "import os\nprint(os.getpid())\n"
        "if os.fork() == 0:\n"
        "  print(os.getpid())\n"
        "  os.setsid()\n"
        "  if os.fork() == 0: print(os.getpid())\n"
        "time.sleep(600)\n"
    )
    running = start(code, on_line=into(lines))
    until(lambda: len(lines) == 3, running)
    doomed += map(int, lines)
    assert len(set(doomed)) == 3 and running.pid in doomed
    assert {process.pid for process in running.tree.members()} == set(doomed)
    began = time.monotonic()
    result = running.stop("operator", 0.3)
    assert time.monotonic() - began < AT_LAST_S
    assert (result.outcome, result.signal, result.left_behind) == ("stopped", "SIGKILL", ())
    assert not any(map(process_birth, doomed))


def test_a_standstill_before_the_kill_does_not_end_the_trying(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is over before anything could be killed: it is killed all the same."""
    lines: list[str] = []
    running = start(STUBBORN + "print('on'); time.sleep(600)", on_line=into(lines))
    until(lambda: lines, running)
    looks: list[float] = []

    def members(tree: ProcessTree) -> list[psutil.Process]:
        looks.append(time.monotonic())
        return found(tree)

    found = ProcessTree.members
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + (600 if len(looks) > 1 else 0), sleep=time.sleep)
    monkeypatch.setattr(ProcessTree, "members", members)
    monkeypatch.setattr("opticstream.rig.engine.process_tree.time", clock)
    monkeypatch.setattr("opticstream.rig.engine.process_tree._TERMINATE_S", 0.05)
    result = running.stop("operator", 0)
    assert (result.signal, result.left_behind) == ("SIGKILL", ())


def test_an_orphaned_grandchild_is_found_by_its_mark(start: Start, doomed: list[int]) -> None:
    """It left group, session and parents; only the environment still says whose it is."""
    lines: list[str] = []
    code = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "  os.setsid()\n"
        "  if os.fork(): os._exit(0)\n"
        "  print(os.getpid())\n"
        "time.sleep(600)\n"
    )
    running = start(code, on_line=into(lines))
    until(lambda: lines, running)
    doomed.append(int(lines[0]))
    assert psutil.Process(doomed[0]).ppid() != running.pid
    assert running.stop("operator", 5).left_behind == ()
    assert process_birth(doomed[0]) is None


def test_a_second_request_shortens_the_first(start: Start) -> None:
    lines: list[str] = []
    running = start(STUBBORN + "print('on'); time.sleep(600)", on_line=into(lines))
    until(lambda: lines, running)
    began = time.monotonic()
    running.request_stop("once", 600)
    running.request_stop("again", 0.0)
    result = running.final()
    assert time.monotonic() - began < AT_LAST_S
    assert (result.reason, result.signal) == ("once", "SIGKILL")


def test_an_end_that_was_first_is_the_result(start: Start) -> None:
    for _ in range(10):
        running = start("print(1)")
        time.sleep(0.02)
        result = running.stop("too late perhaps", 5)
        assert (result.outcome, result.exit_code) == ("completed", 0) or result.outcome == "stopped"


@pytest.mark.parametrize(
    ("code", "watchdogs", "name", "reason"),
    [
        ("import time; time.sleep(600)", Watchdogs(start_timeout_s=0.3, interval_s=0.05), "start_timeout", "no output"),
        (
            "import time; print('on'); time.sleep(600)",
            Watchdogs(no_output_s=0.3, interval_s=0.05),
            "no_output",
            "limit 0.3 s",
        ),
        (
            "import sys, time; print('oh', file=sys.stderr); time.sleep(600)",
            Watchdogs(error_output_grace_s=0.1, interval_s=0.05),
            "error_output",
            "error output",
        ),
        (
            "import time; x = bytearray(150_000_000); time.sleep(600)",
            Watchdogs(memory_bytes=100_000_000, interval_s=0.05),
            "memory",
            "limit 100 MB",
        ),
        (
            "import time; time.sleep(600)",
            Watchdogs(free_bytes=1 << 62, disk_folder=Path(), interval_s=0.05),
            "disk",
            "free at",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_a_watchdog_ends_it_and_says_why(start: Start, code: str, watchdogs: Watchdogs, name: str, reason: str) -> None:
    result = start(code, watchdogs=watchdogs).wait(100)
    assert result is not None
    assert (result.outcome, result.watchdog) == ("watchdog", name)
    assert reason in result.reason and result.seconds < AT_LAST_S


def test_watchdogs_let_a_lively_one_run(start: Start) -> None:
    watchdogs = Watchdogs(
        start_timeout_s=60, no_output_s=60, error_output_grace_s=60, memory_bytes=1 << 40, free_bytes=1,
        disk_folder=Path(), interval_s=0.01,
    )  # fmt: skip
    code = "import time\nfor i in range(20): print(i); time.sleep(0.02)"
    result = start(code, watchdogs=watchdogs).wait(60)
    assert result is not None and result.succeeded, result


def test_watchdogs_are_off_by_default() -> None:
    assert not Watchdogs().active
    assert Watchdogs().check(Facts(1e9, None, 1e9, 1 << 60, 0)) is None


@pytest.mark.parametrize("bad", [{"memory_bytes": -1}, {"no_output_s": float("nan")}, {"free_bytes": 5}])
def test_watchdogs_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="watchdog"):
        Watchdogs(**bad)  # type: ignore[arg-type]
