"""Processes that a lab's launcher started itself."""

import os
import subprocess

import pytest

from opticstream.rig.engine.foreign_process import ForeignProcess, is_process
from support.acquisition import into, until
from support.launching import PYTHON, STUBBORN_FAMILY, lives

DEAF = (
    "import signal, time\nfor s in (2, 15): signal.signal(s, signal.SIG_IGN)\nprint('on', flush=True)\ntime.sleep(300)"
)


def test_its_pipes_are_read_and_closed() -> None:
    lines: list[str] = []
    code = "import sys; print('a\\nb'); sys.stdout.flush(); sys.stderr.buffer.write(b'\\xff\\n'); sys.exit(3)"
    process = subprocess.Popen([*PYTHON, code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert is_process(process) and not is_process("python")
    result = ForeignProcess(process, into(lines)).wait(60)
    assert result is not None
    assert (result.outcome, result.exit_code, result.reason) == ("failed", 3, "exit code 3")
    assert (result.output_tail, result.error_tail) == (("a", "b"), ("\ufffd",))
    assert sorted(lines) == ["a", "b", "\ufffd"]
    assert process.stdout is not None and process.stdout.closed


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_stop_ends_what_it_started_too(doomed: list[int]) -> None:
    lines: list[str] = []
    process = subprocess.Popen([*PYTHON, STUBBORN_FAMILY], stdout=subprocess.PIPE, text=True)
    running = ForeignProcess(process, into(lines))
    until(lambda: lines, running)
    doomed.append(int(lines[0].split()[1]))
    result = running.stop("enough", 60)
    assert (result.outcome, result.reason, result.signal) == ("stopped", "enough", "SIGTERM")
    until(lambda: not lives(doomed[0]))


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_second_request_shortens_the_wait() -> None:
    lines: list[str] = []
    process = subprocess.Popen([*PYTHON, DEAF], stdout=subprocess.PIPE, text=True)
    running = ForeignProcess(process, into(lines))
    until(lambda: lines, running)
    running.request_stop("first", 300)
    running.request_stop("second", 0)
    result = running.wait(60)
    assert result is not None and (result.reason, result.signal) == ("first", "SIGKILL")


def test_output_without_an_end_of_line_is_bounded() -> None:
    lines: list[str] = []
    code = "import os\nfor _ in range(64): os.write(1, b'x' * (1 << 16))"
    process = subprocess.Popen([*PYTHON, code], stdout=subprocess.PIPE)
    result = ForeignProcess(process, into(lines)).wait(60)
    assert result is not None and result.output_bytes == sum(map(len, lines)) == 1 << 22
    assert max(map(len, lines)) <= 1 << 16


@pytest.mark.parametrize("asked_before", [False, True], ids=["untouched", "read from before"])
def test_what_is_no_text_does_not_stop_what_prints_it(asked_before: bool) -> None:
    """A pipe in text mode refuses it; who then stops reading lets the process wait for ever."""
    lines: list[str] = []
    code = "import os\nos.write(1, b'ready\\n')\nos.read(0, 1)\nfor _ in range(1000): os.write(1, b'frame \\xff' + b'.' * 999 + b'\\n')"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([*PYTHON, code], **pipes, text=True, encoding="utf-8")
    assert process.stdout is not None and process.stdin is not None
    if asked_before:
        assert process.stdout.readline() == "ready\n"
    running = ForeignProcess(process, into(lines))
    process.stdin.close()
    try:
        result = running.wait(20)
    finally:
        process.kill()
        process.wait()
    assert result is not None and (result.outcome, result.exit_code) == ("completed", 0)
    assert lines[-1] == "frame �" + "." * 999
