"""The shared-engine protocol against a MATLAB of our own (see support/fake_matlab.py)."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from opticstream.core.errors import BadInput
from opticstream.rig.engine import FailureRules, MatlabCall, MatlabConnection, MatlabEngine, RunningEngine, Watchdogs
from opticstream.rig.engine.matlab import load_matlab_engine
from support.acquisition import into, until
from support.fake_matlab import EngineError, FakeMatlab, FutureResult, MatlabExecutionError, joined

QUICK = {"poll_interval_s": 0.1, "connect_timeout_s": 60.0}
Start = Callable[..., RunningEngine]


@pytest.fixture
def matlabs() -> Iterator[list[FakeMatlab]]:
    """Keep every MATLAB until its threads have ended."""
    kept: list[FakeMatlab] = []
    yield kept
    for matlab in kept:
        matlab.alive = False
        assert all(future.done() for future in joined(matlab))


@pytest.fixture
def start(matlabs: list[FakeMatlab], session: Path) -> Start:
    def begin(matlab: FakeMatlab, call: MatlabCall | None = None, **options: Any) -> RunningEngine:
        matlabs.append(matlab)
        connection = MatlabConnection(**{"engine_name": "rig", **QUICK, **options.pop("connection", {})})
        entry = call or MatlabCall("entry", session_folder=session)
        return MatlabEngine(entry, connection, session, load=lambda: matlab, **options).start()

    return begin


def _says(future: FutureResult, arguments: list[Any], out: Any, err: Any) -> None:
    out.write("first\nsecond")
    err.write("careful\n")


def test_the_entry_point_is_called_and_its_output_streamed(start: Start, session: Path) -> None:
    lines: list[str] = []
    matlab = FakeMatlab({"entry": _says, "feature": lambda *_: 4711.0}, "rig")
    call = MatlabCall("entry", ["go"], session, parameters={"exposure ms": 2.5}, nargout=0)
    running = start(matlab, call, on_line=into(lines))
    assert isinstance(running, RunningEngine)
    result = running.wait(60)
    assert result is not None and result.succeeded, result
    assert matlab.calls("entry") == [("go", str(session), "exposure ms", 2.5, "resume", False)]
    assert sorted(lines) == ["careful", "first", "second"]
    assert (result.output_tail, result.error_tail) == (("first", "second"), ("careful",))
    assert (session / "launcher_metadata" / "acquisition_stdout.log").read_text() == "first\nsecond"
    assert running.pid == 4711
    assert ("quit",) not in matlab.log and matlab.alive, "it is left as it was"


def test_output_put_in_beside_write_is_not_lost(start: Start) -> None:
    def entry(future: FutureResult, arguments: list[Any], out: Any, err: Any) -> None:
        super(type(out), out).write("by C code\n")

    result = start(FakeMatlab({"entry": entry}, "rig")).wait(60)
    assert result is not None and result.output_tail == ("by C code",)


def test_slap2s_window_is_told(start: Start, session: Path) -> None:
    matlab = FakeMatlab({"slap2_launcher": lambda *_: {"version": "x"}}, "rig")
    result = start(matlab, MatlabCall(session_folder=session)).wait(60)
    assert result is not None and result.succeeded
    assert [call[0] for call in matlab.calls("slap2_launcher")] == [
        *("helper_register", "helper_set_python_start_time", "helper_set_status", "execute"),
    ]


def test_a_window_that_opens_later_is_waited_for(start: Start, session: Path) -> None:
    opened = time.monotonic() + 0.5

    def window(future: FutureResult, arguments: list[Any], out: Any, err: Any) -> Any:
        if time.monotonic() < opened:
            raise MatlabExecutionError("no UI")
        return {"version": "x"}

    result = start(FakeMatlab({"slap2_launcher": window}, "rig"), MatlabCall(session_folder=session)).wait(60)
    assert result is not None and result.succeeded


def test_a_window_that_never_opens_is_a_failure(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def window(*_: Any) -> None:
        asked.append(100)
        raise MatlabExecutionError("no UI")

    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + sum(asked))
    monkeypatch.setattr("opticstream.rig.engine.running_matlab.time", clock)
    result = start(FakeMatlab({"slap2_launcher": window}, "rig"), MatlabCall()).wait(60)
    assert result is not None and result.outcome == "failed"
    assert "the launcher window is not open in MATLAB" in result.reason


def test_an_engine_that_is_shared_later_is_found(start: Start) -> None:
    matlab = FakeMatlab({"entry": _says})
    running = start(matlab)
    until(lambda: matlab.connections >= 3, running)
    matlab.names.append("rig")
    result = running.wait(60)
    assert result is not None and result.succeeded and result.attempts == 1


def test_a_connection_made_while_this_process_stood_still_counts(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it goes on, the time is over and the engine is there."""
    asked: list[object] = []

    class Names(list[str]):
        def __contains__(self, name: object) -> bool:
            asked.append(name)
            time.sleep(0.05)
            return True

    def monotonic() -> float:
        for thread in threading.enumerate():
            if asked and thread.name == "fake-matlab":
                thread.join()
        return time.monotonic() + 1000 * bool(asked)

    matlab = FakeMatlab({"entry": _says})
    matlab.names = Names()
    monkeypatch.setattr("opticstream.rig.engine.running_matlab.time", SimpleNamespace(monotonic=monotonic))
    result = start(matlab).wait(60)
    assert result is not None and result.succeeded, result


def test_an_engine_that_never_comes_is_a_failure_that_names_it(start: Start) -> None:
    result = start(FakeMatlab({}, "other"), connection={"connect_timeout_s": 0.3}).wait(60)
    assert result is not None
    assert result.outcome == "failed"
    assert "no MATLAB shares an engine 'rig' after 0.3 s (shared: other" in result.reason


def test_an_error_of_the_entry_point_is_a_failure(start: Start) -> None:
    def entry(*_: Any) -> None:
        raise MatlabExecutionError("Index exceeds\n the number of array elements.")

    result = start(FakeMatlab({"entry": entry}, "rig")).wait(60)
    assert result is not None
    assert (result.outcome, result.attempts) == ("failed", 1)
    assert result.reason == "Index exceeds the number of array elements."


def test_a_lost_engine_is_resumed(start: Start) -> None:
    matlab = FakeMatlab({}, "rig")

    def entry(future: FutureResult, arguments: list[Any], out: Any, err: Any) -> None:
        if len(matlab.calls("entry")) < 3:
            matlab.alive = False
            raise EngineError("the engine has terminated")

    matlab.functions["entry"] = entry
    result = start(matlab).wait(60)
    assert result is not None and result.succeeded, result
    assert result.attempts == 3
    assert [call[-2:] for call in matlab.calls("entry")] == [
        ("resume", False),
        ("resume_stage", "start"),
        ("resume_stage", "start"),
    ]


def test_a_missing_confirmation_resumes_at_completion(start: Start) -> None:
    matlab = FakeMatlab({}, "rig")

    def entry(*_: Any) -> None:
        if len(matlab.calls("entry")) == 1:
            raise MatlabExecutionError("SLAP2:MatlabLauncher:CompletionNotConfirmed")

    matlab.functions["entry"] = entry
    result = start(matlab).wait(60)
    assert result is not None and result.succeeded
    assert matlab.calls("entry")[1][-2:] == ("resume_stage", "completion")


def test_resumes_are_bounded(start: Start) -> None:
    def entry(*_: Any) -> None:
        raise EngineError("the engine has terminated")

    result = start(FakeMatlab({"entry": entry}, "rig"), connection={"max_resumes": 2}).wait(60)
    assert result is not None
    assert (result.outcome, result.attempts) == ("failed", 3)
    assert "lost 3 times" in result.reason


def test_without_resume_a_loss_is_a_failure(start: Start) -> None:
    def entry(*_: Any) -> None:
        raise EngineError("gone")

    result = start(FakeMatlab({"entry": entry}, "rig"), MatlabCall("entry", enable_resume=False)).wait(60)
    assert result is not None and (result.outcome, result.attempts, result.reason) == ("failed", 1, "gone")


def _busy(matlab: FakeMatlab, *, deaf: bool = False) -> FakeMatlab:
    def entry(future: FutureResult, arguments: list[Any], out: Any, err: Any) -> None:
        future.deaf = deaf
        out.write("on\n")
        matlab.sleep(future, 600)

    matlab.functions["entry"] = entry
    return matlab


def test_a_stop_cancels(start: Start) -> None:
    lines: list[str] = []
    matlab = _busy(FakeMatlab({}, "rig"))
    running = start(matlab, on_line=into(lines))
    until(lambda: lines, running)
    result = running.stop("operator")
    assert (result.outcome, result.reason) == ("stopped", "operator")
    assert matlab.futures[-1].cancelled() and matlab.alive


def test_a_matlab_that_does_not_listen_is_left(start: Start) -> None:
    lines: list[str] = []
    running = start(_busy(FakeMatlab({}, "rig"), deaf=True), on_line=into(lines), connection={"cancel_timeout_s": 1})
    until(lambda: lines, running)
    began = time.monotonic()
    result = running.stop("operator")
    assert 0.5 < time.monotonic() - began < 60
    assert result.reason == "operator; MATLAB did not acknowledge within 1 s"


def test_a_stop_is_heard_while_connecting(start: Start) -> None:
    matlab = FakeMatlab({})
    running = start(matlab, connection={"connect_timeout_s": 0, "poll_interval_s": 600})
    until(lambda: matlab.connections, running)
    running.request_stop("operator")
    result = running.wait(60)
    assert result is not None and result.outcome == "stopped"


def test_a_watchdog_cancels_and_is_named(start: Start) -> None:
    matlab = _busy(FakeMatlab({}, "rig"))
    result = start(matlab, watchdogs=Watchdogs(no_output_s=0.3)).wait(60)
    assert result is not None
    assert (result.outcome, result.watchdog) == ("watchdog", "no_output")
    assert matlab.futures[-1].cancelled()


def test_matlab_exits_when_it_shall_not_be_kept(start: Start) -> None:
    matlab = FakeMatlab({"entry": _says}, "rig")
    result = start(matlab, connection={"keep_engine_alive": False}).wait(60)
    assert result is not None and result.succeeded
    assert not matlab.alive and not matlab.names


def test_releases_that_know_async_only(start: Start) -> None:
    result = start(FakeMatlab({"entry": _says}, "rig", old=True)).wait(60)
    assert result is not None and result.succeeded, result


def test_output_rules_hold_here_too(start: Start) -> None:
    result = start(FakeMatlab({"entry": _says}, "rig"), rules=FailureRules(patterns=("SECOND",))).wait(60)
    assert result is not None and result.reason == "its output says: second"


def test_without_the_package_there_is_one_clear_error() -> None:
    try:
        import matlab.engine  # type: ignore[import-not-found] # noqa: F401
    except (ImportError, OSError):
        with pytest.raises(BadInput, match=r"launcher matlab: .*pip install 'opticstream\[matlab\]'|cannot be loaded"):
            load_matlab_engine()


@pytest.mark.parametrize("bad", [{"connect_timeout_s": -1}, {"max_resumes": -1}, {"cancel_timeout_s": float("inf")}])
def test_connections_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="0 or more"):
        MatlabConnection(**bad)  # type: ignore[arg-type]
