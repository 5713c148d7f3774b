"""Entry points on a real GNU Octave: called, streamed, cancelled, killed and resumed."""

import json
import math
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opticstream.core.errors import BadInput
from opticstream.core.process_identity import process_birth
from opticstream.rig.engine import MatlabCall, OctaveEngine, RunningEngine
from opticstream.rig.engine.octave_literal import octave_literal
from support.acquisition import into, until
from support.octave import octave_or_skip

pytestmark = pytest.mark.timeout(300)
REPORT = """
function varargout = report (varargin)
  kinds = cellfun (@class, varargin, 'UniformOutput', false);
  printf ("%s\\n", jsonencode (struct ("kinds", {kinds}, "values", {varargin})));
  varargout = varargin(1:nargout);
end
"""
RESUMABLE = """
function resumable (varargin)
  at = find (strcmp (varargin, "resume"));
  if (varargin{at + 1})
    printf ("resumed at %s\\n", varargin{at + 3});
    return
  end
  disp ("on");
  unwind_protect
    pause (600);
  unwind_protect_cleanup
    disp ("cleaned up");
  end_unwind_protect
end
"""
SLAP2 = """
function info = slap2_launcher (verb, varargin)
  info = struct ("version", "7");
  printf ("%s\\n", verb);
  if (strcmp (verb, "execute") && ! varargin{3})
    error ("SLAP2:MatlabLauncher:CompletionNotConfirmed", "not\\nconfirmed");
  end
end
"""


@pytest.fixture(scope="module", autouse=True)
def octave() -> str:
    return octave_or_skip()


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    folder = tmp_path / "entry points"
    folder.mkdir()
    for name, code in (("report", REPORT), ("resumable", RESUMABLE), ("slap2_launcher", SLAP2)):
        (folder / f"{name}.m").write_text(code)
    return folder


def _start(call: MatlabCall, session: Path, functions: Path, lines: list[str], **options: Any) -> RunningEngine:
    return OctaveEngine(call, session, paths=[functions], on_line=into(lines), **options).start()


def test_the_entry_point_gets_its_arguments(session: Path, functions: Path) -> None:
    lines: list[str] = []
    call = MatlabCall(
        "report",
        ['text "ä"\n', 7, 2.5, True, [1, "a"], {"k": "v"}],
        session,
        parameters={"exposure ms": -1},
        nargout=2,
    )
    running = _start(call, session, functions, lines)
    assert isinstance(running, RunningEngine)
    result = running.wait(120)
    assert result is not None and result.succeeded, result
    said = json.loads(lines[0])
    assert said["kinds"] == [
        "char",
        "int64",
        "double",
        "logical",
        "cell",
        "struct",
        "char",
        "char",
        "int64",
        "char",
        "logical",
    ]
    assert said["values"] == [
        *('text "ä"\n', 7, 2.5, True, [1, "a"], {"k": "v"}, str(session), "exposure ms", -1, "resume", False),
    ]
    assert (session / "launcher_metadata" / "acquisition_stdout.log").read_text("utf-8").splitlines() == lines


def test_a_stop_interrupts_and_lets_it_clean_up(session: Path, functions: Path) -> None:
    lines: list[str] = []
    running = _start(MatlabCall("resumable"), session, functions, lines)
    until(lambda: "on" in lines, running)
    began = time.monotonic()
    result = running.stop("operator", 300)
    assert time.monotonic() - began < 60
    assert (result.outcome, result.reason, result.attempts) == ("stopped", "operator", 1)
    assert "cleaned up" in lines


@pytest.mark.skipif(os.name == "nt", reason="kills by signal")
def test_a_killed_octave_is_resumed(session: Path, functions: Path) -> None:
    lines: list[str] = []
    running = _start(MatlabCall("resumable"), session, functions, lines)
    until(lambda: "on" in lines, running)
    assert running.pid is not None
    os.kill(running.pid, signal.SIGKILL)
    result = running.wait(120)
    assert result is not None and result.succeeded, result
    assert result.attempts == 2 and lines == ["on", "resumed at start"]
    assert not (session / "launcher_metadata" / "acquisition.json").exists()


def test_resumes_are_bounded_and_can_be_off(session: Path, functions: Path) -> None:
    (functions / "dies.m").write_text("function dies (varargin)\n  kill (getpid (), 9);\nend\n")
    result = _start(MatlabCall("dies"), session, functions, [], max_resumes=1).wait(120)
    assert result is not None
    assert (result.outcome, result.reason, result.attempts) == ("failed", "ended by SIGKILL", 2)
    result = _start(MatlabCall("dies", enable_resume=False), session, functions, []).wait(120)
    assert result is not None and result.attempts == 1


def test_slap2_without_confirmation_is_resumed_at_completion(session: Path, functions: Path) -> None:
    lines: list[str] = []
    result = _start(MatlabCall(session_folder=session), session, functions, lines).wait(120)
    assert result is not None and result.succeeded, result
    assert result.attempts == 2
    prelude = ["helper_register", "helper_set_python_start_time", "helper_set_status", "execute"]
    assert [line for line in lines if line in prelude] == prelude * 2
    assert "error: SLAP2:MatlabLauncher:CompletionNotConfirmed: not confirmed" in lines


def test_an_error_of_the_entry_point_is_a_failure_that_names_it(session: Path, functions: Path) -> None:
    result = _start(MatlabCall("nowhere"), session, functions, []).wait(120)
    assert result is not None
    assert (result.outcome, result.attempts) == ("failed", 1)
    assert result.reason == "exit code 1: error: feval: function 'nowhere' not found"


def test_what_is_not_there_is_one_error(session: Path, functions: Path) -> None:
    with pytest.raises(BadInput, match="no program octave-of-nobody"):
        OctaveEngine(MatlabCall("report"), session, executable="octave-of-nobody").start()
    with pytest.raises(BadInput, match="no folder"):
        OctaveEngine(MatlabCall("report"), session, paths=[functions / "gone"]).start()


SCALARS = st.one_of(st.booleans(), st.integers(-(2**53), 2**53), st.floats(), st.text(st.characters(codec="utf-8")))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=6)


@settings(max_examples=3, deadline=None)
@given(st.lists(VALUES, min_size=30, max_size=60))
def test_values_come_over_as_they_are(octave: str, values: list[Any]) -> None:
    """Octave prints them back, byte by byte and bit by bit."""
    code = """
        function show (x)
          if (iscell (x)) printf ("["); cellfun (@show, x); printf ("]");
          elseif (ischar (x)) printf ("s"); printf ("%02x", double (x)); printf (";");
          elseif (islogical (x)) printf ("b%d;", x);
          elseif (isinteger (x)) printf ("i%d;", x);
          else printf ("f%s;", num2hex (x)); end
        end
    """
    script = f"1;\n{code}\nshow ({octave_literal(values)});\n"
    done = subprocess.run([octave, "--quiet", "--eval", script], capture_output=True, text=True, timeout=90, check=True)
    assert done.stdout.strip() == _shown(values)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{''.join(map(_shown, value))}]"
    if isinstance(value, bool):
        return f"b{int(value)};"
    if isinstance(value, int):
        return f"i{value};"
    if isinstance(value, str):
        return f"s{value.encode().hex()};"
    import struct

    return f"f{struct.pack('>d', math.nan if math.isnan(value) else value).hex()};"


@pytest.mark.parametrize("bad", [2**53 + 1, None, object(), b"x"])
def test_values_without_a_literal_are_refused(bad: Any) -> None:
    with pytest.raises(BadInput, match="argument for Octave"):
        octave_literal(bad)


def test_no_octave_is_left_behind(session: Path, functions: Path) -> None:
    lines: list[str] = []
    running = _start(MatlabCall("resumable"), session, functions, lines)
    until(lambda: "on" in lines, running)
    family = [running.pid, *(child.pid for child in psutil.Process(running.pid).children(recursive=True))]
    running.stop("operator", 0)
    assert not any(process_birth(pid) for pid in family if pid)
