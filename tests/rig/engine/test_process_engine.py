"""Acquisitions that end by themselves: well, badly, at once, loudly, silently."""

import json
import os
import resource
import stat
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from opticstream.core.errors import BadInput
from opticstream.core.process_identity import process_birth
from opticstream.rig.engine import Command, FailureRules, ProcessEngine, RunningEngine, Watchdogs
from support.acquisition import Start, into, script_command, until

pytestmark = pytest.mark.timeout(300)


def _logs(session: Path) -> tuple[bytes, bytes]:
    folder = session / "launcher_metadata"
    return (folder / "acquisition_stdout.log").read_bytes(), (folder / "acquisition_stderr.log").read_bytes()


def test_output_goes_to_callback_log_and_tail(start: Start, session: Path) -> None:
    lines: list[tuple[str, str]] = []
    code = "import sys\nprint('one')\nprint('two', file=sys.stderr)\nprint('no end', end='')"
    running = start(code, on_line=lambda stream, line: lines.append((stream, line)))
    assert isinstance(running, RunningEngine)
    result = running.wait(60)
    assert result is not None and result.succeeded, result
    assert (result.exit_code, result.signal, result.watchdog, result.reason) == (0, None, None, "")
    assert [line for stream, line in lines if stream == "output"] == ["one", "no end"] == list(result.output_tail)
    assert [line for stream, line in lines if stream == "error"] == ["two"] == list(result.error_tail)
    assert _logs(session) == (b"one\nno end", b"two\n")
    assert result.stopped > result.started and result.started.tzinfo is not None
    assert running.poll() is result and running.stop("late") is result
    json.dumps(result.as_json())


def test_exit_code_is_a_failure_that_says_so(start: Start) -> None:
    result = start("import sys; print('why', file=sys.stderr); sys.exit(3)").wait(60)
    assert result is not None
    assert (result.outcome, result.exit_code, result.reason) == ("failed", 3, "exit code 3: why")
    assert result.error_tail == ("why",)


def test_a_signal_is_named(start: Start) -> None:
    result = start("import os, signal; os.kill(os.getpid(), signal.SIGKILL)").wait(60)
    assert result is not None
    assert (result.outcome, result.exit_code, result.signal) == ("failed", None, "SIGKILL")
    assert result.reason == "ended by SIGKILL"


def test_bytes_that_are_no_utf8_end_nothing(start: Start, session: Path) -> None:
    lines: list[str] = []
    code = "import os, time\nos.write(1, b'a\\xff\\xfeb\\n'); time.sleep(0.1)\nos.write(1, b'and on\\n')"
    result = start(code, on_line=into(lines)).wait(60)
    assert result is not None and result.succeeded
    assert lines == ["a��b", "and on"]
    assert _logs(session)[0] == b"a\xff\xfeb\nand on\n"


def test_the_last_words_are_read_before_judgement(start: Start) -> None:
    """The predecessor's readers missed them in a third of the runs."""
    rules = FailureRules(error_output_fails=True)
    code = "import os\nos.write(1, b'x' * 30000)\nos.write(2, b'Fatal at the very end')\nos._exit(0)"
    for result in [start(code, rules=rules).wait(60) for _ in range(15)]:
        assert result is not None
        assert (result.outcome, result.output_bytes) == ("failed", 30000)
        assert result.reason == "it wrote to its error output: Fatal at the very end"


def test_a_pattern_in_the_output_is_a_failure(start: Start) -> None:
    rules = FailureRules(patterns=(r"unhandled \w+ exception",))
    result = start("print('fine'); print('An Unhandled camera exception.')", rules=rules).wait(60)
    assert result is not None
    assert (result.outcome, result.reason) == ("failed", "its output says: An Unhandled camera exception.")
    assert start("print('unhandled')", rules=rules).wait(60).succeeded  # type: ignore[union-attr]


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(BadInput, match="regular expression"):
        FailureRules(patterns=("(",))


def test_a_flood_costs_no_memory_and_loses_no_result(start: Start, session: Path) -> None:
    """1 GB through the pipe, the last part of it in the log; the callback gets what a human could read."""
    lines: list[str] = []
    code = """
        import os
        def write(rest):  # a process that is stopped and goes on has written a part
            while rest: rest = rest[os.write(1, rest):]
        block = memoryview((b"x" * 79 + b"\\n") * 4096)
        for _ in range((1 << 30) // len(block)): write(block)
        os.write(1, b"the end\\n")
    """
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    running = start(code, on_line=into(lines), log_limit_bytes=1 << 24)
    result = running.wait(280)
    assert result is not None and result.succeeded, result
    assert result.output_bytes == (1 << 30) // (80 * 4096) * 80 * 4096 + 8
    assert result.output_tail[-1] == "the end"
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mb < 60, grown_mb
    assert sum("left out" in line for line in lines) >= 1
    log = session / "launcher_metadata" / "acquisition_stdout.log"
    assert log.read_bytes().endswith(b"the end\n") and log.stat().st_size <= 1 << 24
    assert log.with_name("acquisition_stdout.log.1").stat().st_size <= 1 << 24


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_log_disk_that_hangs_does_not_hold_the_acquisition(session: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A named pipe that nobody empties stands in for a share that has gone away."""
    log = session / "launcher_metadata" / "acquisition_stdout.log"
    log.parent.mkdir()
    os.mkfifo(log)
    hung = os.open(log, os.O_RDWR)
    try:
        code = """
            import os
            for _ in range(400):
                rest = b"x" * 99_999 + b"\\n"
                while rest: rest = rest[os.write(1, rest):]  # as above
        """
        began = time.monotonic()
        result = ProcessEngine(script_command(code), session_folder=session).start().wait(100)
        assert result is not None and result.succeeded and result.output_bytes == 40_000_000
        assert time.monotonic() - began < 90
        assert "the disk did not take them" in caplog.text
    finally:
        os.set_blocking(hung, False)
        until(lambda: not _drained(hung) and "opticstream-output-log" not in str(threading.enumerate()))
        os.close(hung)


def _drained(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 20)
    except BlockingIOError:
        return b""


def test_an_endless_line_is_cut(start: Start) -> None:
    lines: list[str] = []
    result = start("print('y' * 300_000)", on_line=into(lines)).wait(60)
    assert result is not None and result.succeeded
    assert lines == [f"{'y' * 4096}… (295904 characters left out)"]


def test_a_callback_that_hangs_or_fails_stops_nobody(start: Start) -> None:
    release = threading.Event()
    try:
        result = start("for i in range(50_000): print(i)", on_line=lambda *_: release.wait(100)).wait(60)
        assert result is not None and result.succeeded
        assert result.output_tail[-1] == "49999"
    finally:
        release.set()

    def broken(*_: str) -> None:
        raise RuntimeError("no screen")

    assert start("print(1); print(2)", on_line=broken).wait(60).succeeded  # type: ignore[union-attr]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_costs_the_log_only(start: Start, session: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = session / "launcher_metadata"
    folder.mkdir()
    (folder / "acquisition_stdout.log").symlink_to("/dev/full")
    lines: list[str] = []
    result = start("for i in range(1000): print(i)", on_line=into(lines)).wait(60)
    assert result is not None and result.succeeded
    assert lines == [str(i) for i in range(1000)]
    assert "No space left on device" in caplog.text and "the acquisition goes on" in caplog.text
    assert "lacks 3890 bytes" in caplog.text


def test_grandchildren_left_behind_are_ended(start: Start, doomed: list[int]) -> None:
    """One in the group, one that left group and session; both hold the output open."""
    code = """
        import os, sys, time
        both, said = os.pipe()
        for leave in (False, True):
            if os.fork() == 0:
                if leave:
                    os.setsid()
                    if os.fork(): os._exit(0)
                os.write(1, f"{os.getpid()}\\n".encode())
                os.write(said, b"x")
                time.sleep(600)
                os._exit(0)
        for _ in range(2): os.read(both, 1)
    """
    began = time.monotonic()
    result = start(code).wait(100)
    assert result is not None and result.succeeded, result
    doomed += [int(line) for line in result.output_tail]
    assert len(doomed) == 2 and not any(map(process_birth, doomed))
    assert result.left_behind == ()
    assert time.monotonic() - began < 90


def test_what_dies_at_once_is_no_acquisition(start: Start) -> None:
    result = start("print('bye')", watchdogs=Watchdogs(min_run_s=600)).wait(60)
    assert result is not None
    assert result.outcome == "failed" and "it should run 600 s at least" in result.reason


def test_a_program_that_is_not_there_is_one_error(session: Path) -> None:
    engine = ProcessEngine(Command(("no-such-program-here", "-x")), session_folder=session)
    with pytest.raises(BadInput, match=r"program no-such-program-here: found nothing there"):
        engine.start()
    assert not list(session.rglob("acquisition.json"))


@pytest.mark.skipif(os.name == "nt", reason="permissions are of another kind")
def test_a_file_that_is_no_program_is_one_error(session: Path, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(b"\x00\x01 nothing to run")
    with pytest.raises(BadInput, match="a file that may not be run"):
        ProcessEngine(Command((str(text),)), session_folder=session).start()
    text.chmod(text.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(BadInput, match="Exec format error"):
        ProcessEngine(Command((str(text),)), session_folder=session).start()
    assert not list(session.rglob("acquisition.json"))


def test_bad_commands_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="an empty command"):
        ProcessEngine(Command(())).start()
    with pytest.raises(BadInput, match="NUL"):
        ProcessEngine(Command((sys.executable, "a\0b"))).start()
    with pytest.raises(BadInput, match="working directory"):
        ProcessEngine(Command((sys.executable,), cwd=tmp_path / "none")).start()


def test_nothing_leaks_over_many_runs(start: Start) -> None:
    """File descriptors above all: each run has four pipe ends, two logs and a keeper."""
    start("pass").wait(60)
    before = psutil.Process().num_fds()
    for _ in range(10):
        assert start("print(1)").wait(60).succeeded  # type: ignore[union-attr]
    assert psutil.Process().num_fds() <= before


def test_works_without_a_session_folder() -> None:
    result = ProcessEngine(script_command("print('x')")).start().wait(60)
    assert result is not None and result.output_tail == ("x",)
