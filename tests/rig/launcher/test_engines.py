"""The acquisition of each launcher, from parameters to what runs."""

import json
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from opticstream.rig import BaseLauncher
from opticstream.rig.operators.terminal import TerminalOperator
from opticstream.rig.session_outcome import SessionOutcome
from support.acquisition import until
from support.fake_matlab import FakeMatlab, FutureResult, joined
from support.launching import Left, launched, parameters
from support.octave import octave_or_skip
from support.pipeline import Desk

BONSAI = """#!{python} -ISu
import json, pathlib, sys
count = pathlib.Path(sys.argv[0]).with_name("count")
count.write_text(str(int(count.read_text()) + 1 if count.exists() else 1))
print(json.dumps(sys.argv[1:]))
if int(count.read_text()) < {good}:
    print("the port is taken", file=sys.stderr)
    sys.exit({code})
"""


def test_python_with_its_environment_and_arguments_in_order(tmp_path: Path) -> None:
    venv = tmp_path / "venv" / "bin" / "python"
    venv.parent.mkdir(parents=True)
    venv.symlink_to(sys.executable)
    (tmp_path / "run.py").write_text(
        "import json, os, sys\nprint(json.dumps([sys.argv[1:], sys.flags.optimize, os.environ['OUTPUT_FOLDER']]))\n"
    )
    given = {
        "script_path": str(tmp_path / "run.py"),
        "python_venv_path": str(tmp_path / "venv"),
        "python_args": ["-O", "-S"],
        "python_arguments": ["--first"],
        "script_arguments": ["{session_folder}/table.csv"],
    }
    report = launched(parameters(tmp_path, **given))
    left = Left(report.session_folder)
    assert report.succeeded, report.reason
    said = json.loads((left.metadata / "acquisition_stdout.log").read_text())
    assert said == [["--first", f"{left.folder}/table.csv"], 1, str(left.folder)]
    record = left.end["script_path"]
    assert record == str(tmp_path / "run.py")


@pytest.fixture
def bonsai(tmp_path: Path) -> Path:
    """Return the folder in which a Bonsai and a workflow are; it fails until its third start."""
    folder = tmp_path / "bonsai"
    folder.mkdir()
    (folder / "flow.bonsai").write_text("<WorkflowBuilder/>")
    program = folder / "Bonsai"
    program.write_text(BONSAI.format(python=sys.executable, good=3, code=1))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder


def bonsai_parameters(tmp_path: Path, **more: Any) -> dict[str, Any]:
    folder = tmp_path / "bonsai"
    given = {"workflow_path": str(folder / "flow.bonsai"), "bonsai_exe_path": str(folder / "Bonsai")}
    return parameters(tmp_path, **given, **more)


def starts(folder: Path) -> int:
    return int((folder / "count").read_text())


@pytest.mark.skipif(os.name == "nt", reason="the fake Bonsai is a script")
def test_bonsai_gets_its_properties_and_is_started_again(tmp_path: Path, bonsai: Path) -> None:
    properties = {"PortName": "{rig_param:rig_id}", "RecordCameras": True, "table_path": "t.csv"}
    report = launched(bonsai_parameters(tmp_path, script_parameters=properties, bonsai_max_retries=5))
    left = Left(report.session_folder)
    assert report.succeeded, report.reason
    assert (starts(bonsai), left.end["acquisition"]["attempts"]) == (3, 3)
    assert json.loads((left.metadata / "acquisition_stdout.log").read_text().splitlines()[-1]) == [
        *(str(bonsai / "flow.bonsai"), "--start", "--no-editor", "-p", "PortName=rig-3", "-p", "RecordCameras=true"),
        *("-p", f"table_path={left.folder}/t.csv", "-p", f"RootFolder={left.folder}"),
    ]


@pytest.mark.skipif(os.name == "nt", reason="the fake Bonsai is a script")
@pytest.mark.parametrize(
    ("more", "count", "outcome"),
    [
        ({}, 1, "failed"),
        ({"bonsai_max_retries": -1}, 1, "failed"),
        ({"bonsai_max_retries": 1}, 2, "failed"),
        ({"bonsai_max_retries": None, "bonsai_failure_default": "retry"}, 3, "completed"),
        ({"bonsai_failure_default": "proceed"}, 1, "completed"),
        ({"bonsai_continue_on_failure": True}, 1, "completed"),
    ],
)
def test_bonsai_unattended_never_goes_on_without_end(
    tmp_path: Path, bonsai: Path, more: dict[str, Any], count: int, outcome: str
) -> None:
    report = launched(bonsai_parameters(tmp_path, **more))
    assert (starts(bonsai), report.outcome.value) == (count, outcome), report.reason
    if outcome == "failed":
        assert "the port is taken" in report.reason


@pytest.mark.skipif(os.name == "nt", reason="the fake Bonsai is a script")
def test_the_operator_decides_about_a_failed_workflow(tmp_path: Path, bonsai: Path) -> None:
    desk = Desk({"bonsai_failure": ["retry", "proceed"]})
    report = launched(bonsai_parameters(tmp_path), operator=desk)
    assert report.succeeded and starts(bonsai) == 2
    assert "the port is taken" in desk.asked[0].text


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_does_not_wait_for_the_operators_word(
    tmp_path: Path, bonsai: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question stands at a terminal where nobody types; another question after it is still heard."""
    reader, writer = os.pipe()
    said: list[str] = []
    stdin = os.fdopen(reader)
    screen = type("Screen", (), {"write": lambda _, text: said.append(text), "flush": lambda _: None})()
    operator = TerminalOperator(stdin, screen)
    ask = threading.Thread(target=lambda: (until(lambda: "bonsai_failure" in "".join(said)), _interrupt()))
    ask.start()
    weigh = tmp_path / "weigh.py"
    weigh.write_text(
        "from opticstream.core.operator import Question\ndef run(context):\n"
        "    assert context.ask(Question('weight', 'Weight?', kind='number')) == 21\n"
    )
    later = threading.Thread(target=lambda: (until(lambda: "Weight?" in "".join(said)), os.write(writer, b"21\n")))
    later.start()
    post = [{"module_type": "script_module", "module_path": str(weigh), "run": "always"}]
    report = launched(bonsai_parameters(tmp_path, post_acquisition_pipeline=post), operator=operator)
    ask.join()
    later.join()
    stdin.close()
    os.close(writer)
    assert (report.outcome, report.reason) == (SessionOutcome.INTERRUPTED, "Ctrl+C")
    assert [(each.name, each.outcome) for each in report.modules] == [("weigh", "completed")]
    assert starts(bonsai) == 1


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


RESUMABLE = """
function resumable (varargin)
  folder = varargin{1};
  at = find (strcmp (varargin, "resume"));
  if (varargin{at + 1})
    printf ("resumed at %s\\n", varargin{at + 3});
    return
  end
  fclose (fopen (fullfile (folder, "on"), "w"));
  if (exist (fullfile (folder, "..", "die"), "file"))
    kill (getpid (), 9);
  end
  pause (600);
end
"""


@pytest.fixture
def octave(tmp_path: Path) -> dict[str, Any]:
    octave_or_skip()
    (tmp_path / "resumable.m").write_text(RESUMABLE)
    given = {"launcher": "matlab", "matlab_backend": "octave", "script_path": str(tmp_path / "resumable.m")}
    return parameters(tmp_path, **given, matlab_session_folder_position="prepend", matlab_cancel_timeout_sec=5)


@pytest.mark.slow
def test_octave_runs_an_entry_point_and_is_cancelled(tmp_path: Path, octave: dict[str, Any]) -> None:
    launcher = BaseLauncher()
    stopper = threading.Thread(target=lambda: (until(lambda: list(tmp_path.glob("out/*/on"))), launcher.stop("enough")))
    stopper.start()
    report = launched(octave, launcher=launcher)
    stopper.join()
    left = Left(report.session_folder)
    assert (report.outcome, report.reason) == (SessionOutcome.INTERRUPTED, "enough")
    assert left.end["acquisition"]["outcome"] == "stopped"


@pytest.mark.slow
def test_octave_is_resumed_after_it_died(tmp_path: Path, octave: dict[str, Any]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "die").touch()
    report = launched(octave)
    left = Left(report.session_folder)
    assert report.succeeded, report.reason
    assert left.end["acquisition"]["attempts"] == 2
    assert (left.metadata / "acquisition_stdout.log").read_text() == "resumed at start\n"


@pytest.fixture
def matlab(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMatlab]:
    """Put a MATLAB of our own where the real module would be."""
    fake = FakeMatlab({"feature": lambda *_: 4711.0}, "behaviour")
    package = ModuleType("matlab")
    monkeypatch.setattr(package, "engine", fake, raising=False)
    monkeypatch.setitem(sys.modules, "matlab", package)
    monkeypatch.setitem(sys.modules, "matlab.engine", fake)  # type: ignore[arg-type] # it looks like one
    yield fake
    fake.alive = False
    assert all(future.done() for future in joined(fake))


def _matlab_parameters(tmp_path: Path, **more: Any) -> dict[str, Any]:
    given = {
        "launcher": "matlab",
        "matlab_engine_name": "behaviour",
        "matlab_function": "run_trials",
        "matlab_entrypoint_args": ["fast"],
        "script_parameters": {"exposure": 2.5},
        "matlab_engine_connect_poll_interval_sec": 0.1,
        "matlab_engine_connect_timeout_sec": 60,
    }
    return parameters(tmp_path, **{**given, **more})


def test_matlab_is_called_through_its_shared_engine(tmp_path: Path, matlab: FakeMatlab) -> None:
    def run_trials(future: FutureResult, arguments: list[Any], out: Any, err: Any) -> None:
        out.write("trial 1\n")

    matlab.functions["run_trials"] = run_trials
    report = launched(_matlab_parameters(tmp_path))
    left = Left(report.session_folder)
    assert report.succeeded, report.reason
    assert matlab.calls("run_trials") == [("fast", str(left.folder), "exposure", 2.5, "resume", False)]
    assert (left.metadata / "acquisition_stdout.log").read_text() == "trial 1\n" and "trial 1" in left.log
    assert matlab.alive, "it stays"


def test_matlab_is_cancelled_by_a_signal(tmp_path: Path, matlab: FakeMatlab) -> None:
    matlab.functions["run_trials"] = lambda future, *_: (_interrupt(), matlab.sleep(future, 600))
    began = time.monotonic()
    report = launched(_matlab_parameters(tmp_path))
    assert (report.outcome, report.reason) == (SessionOutcome.INTERRUPTED, "Ctrl+C")
    assert time.monotonic() - began < 100


def test_no_matlab_is_one_error(tmp_path: Path, matlab: FakeMatlab) -> None:
    matlab.names.clear()
    report = launched(_matlab_parameters(tmp_path, matlab_engine_connect_timeout_sec=0.3))
    assert report.outcome is SessionOutcome.FAILED and "behaviour" in report.reason
