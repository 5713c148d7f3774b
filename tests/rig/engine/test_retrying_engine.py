"""A failed acquisition is started again: so often, and no more."""

import threading
from pathlib import Path

import pytest

from opticstream.core.errors import BadInput
from opticstream.rig.engine import EngineResult, ProcessEngine, RetryingEngine, RetryPolicy, Watchdogs
from opticstream.rig.engine.retrying_engine import Decide
from support.acquisition import into, script_command, until

COUNTING = """
    import sys
    with open(sys.argv[1], "a") as file: file.write("x")
    with open(sys.argv[1]) as file: sys.exit(0 if len(file.read()) > int(sys.argv[2]) else 7)
"""


def _engine(tmp_path: Path, failures: int, policy: RetryPolicy, decide: Decide | None = None) -> RetryingEngine:
    return RetryingEngine(ProcessEngine(script_command(COUNTING, tmp_path / "runs", failures)), policy, decide)


def _runs(tmp_path: Path) -> int:
    return len((tmp_path / "runs").read_text())


def test_it_is_started_until_it_completes(tmp_path: Path) -> None:
    result = _engine(tmp_path, 2, RetryPolicy(max_retries=5)).start().wait(60)
    assert result is not None and result.succeeded
    assert result.attempts == _runs(tmp_path) == 3


def test_headless_it_is_never_endless(tmp_path: Path) -> None:
    """The predecessor started it 1,742 times in 8 s."""
    result = _engine(tmp_path, 99, RetryPolicy()).start().wait(60)
    assert result is not None
    assert (result.outcome, result.reason) == ("failed", "exit code 7")
    assert result.attempts == _runs(tmp_path) == 4


@pytest.mark.parametrize(("answer", "outcome", "attempts"), [("abort", "failed", 1), ("proceed", "completed", 1)])
def test_somebody_decides(tmp_path: Path, answer: str, outcome: str, attempts: int) -> None:
    asked: list[EngineResult] = []

    def decide(result: EngineResult):  # type: ignore[no-untyped-def]
        asked.append(result)
        return answer

    result = _engine(tmp_path, 99, RetryPolicy(), decide).start().wait(60)
    assert result is not None
    assert (result.outcome, result.attempts) == (outcome, attempts)
    assert [each.exit_code for each in asked] == [7]
    assert "exit code 7" in result.reason


def test_who_always_says_retry_is_bounded_too(tmp_path: Path) -> None:
    result = _engine(tmp_path, 99, RetryPolicy(max_retries=2), lambda _: "retry").start().wait(60)
    assert result is not None and (result.outcome, result.attempts) == ("failed", 3)


def test_a_stop_ends_the_attempt_and_starts_no_other(tmp_path: Path) -> None:
    lines: list[str] = []
    code = "import time; print('on'); time.sleep(600)"
    running = RetryingEngine(ProcessEngine(script_command(code), on_line=into(lines)), RetryPolicy()).start()
    until(lambda: lines, running)
    assert running.pid is not None
    result = running.stop("operator", 60)
    assert (result.outcome, result.reason, result.attempts) == ("stopped", "operator", 1)


def test_a_stop_between_attempts_holds(tmp_path: Path) -> None:
    failed = threading.Event()

    def decide(_: EngineResult):  # type: ignore[no-untyped-def]
        failed.set()
        return "retry"

    running = _engine(tmp_path, 99, RetryPolicy(delay_s=600), decide).start()
    assert failed.wait(60)
    running.request_stop("operator")
    result = running.wait(60)
    assert result is not None
    assert (result.outcome, result.reason, _runs(tmp_path)) == ("stopped", "operator", 1)


def test_a_watchdogs_end_is_final() -> None:
    engine = ProcessEngine(
        script_command("import time; time.sleep(600)"), watchdogs=Watchdogs(start_timeout_s=0.2, interval_s=0.05)
    )
    result = RetryingEngine(engine, RetryPolicy()).start().wait(60)
    assert result is not None and (result.outcome, result.attempts) == ("watchdog", 1)


def test_a_program_that_vanishes_between_attempts(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\nrm -- "$0"\nexit 5\n')
    program.chmod(0o700)
    command = script_command("").__class__((str(program),))
    result = RetryingEngine(ProcessEngine(command), RetryPolicy()).start().wait(60)
    assert result is not None and result.outcome == "failed"
    assert "exit code 5; then:" in result.reason and "nothing there" in result.reason


@pytest.mark.parametrize("bad", [{"max_retries": -1}, {"delay_s": -0.1}])
def test_policies_that_make_no_sense_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="0 or more"):
        RetryPolicy(**bad)
