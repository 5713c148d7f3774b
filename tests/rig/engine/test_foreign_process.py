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
