"""What becomes of a session whose modules fail, by their policies; and what modules hand on."""

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from opticstream.core.operator import Question, Value
from opticstream.rig.session_outcome import SessionOutcome
from support.launching import Left, launched, module, parameters, script
from support.pipeline import Desk

FAIL = "raise RuntimeError('no camera')"
RESULT = "from opticstream.rig.modules import ModuleResult\nreturn ModuleResult({})"
ACQUIRED = "import os, pathlib; pathlib.Path(os.environ['OUTPUT_FOLDER'], 'ran_acquisition').touch()"


def session(folder: Path, pre: list[Any] | None = None, post: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    return parameters(
        folder, ACQUIRED, pre_acquisition_pipeline=pre or [], post_acquisition_pipeline=post or [], **more
    )


@pytest.mark.parametrize(
    ("policy", "answer", "outcome", "acquired"),
    [
        (None, None, "aborted", False),
        ("abort", None, "aborted", False),
        ("continue", None, "completed", True),
        ("prompt", True, "completed", True),
        ("prompt", False, "aborted", False),
        ("prompt", None, "aborted", False),
    ],
)
def test_a_failed_module_before(
    tmp_path: Path, policy: str | None, answer: bool | None, outcome: str, acquired: bool
) -> None:
    entry = module(tmp_path, "camera", FAIL, **({"on_failure": policy} if policy else {}))
    desk = Desk({} if answer is None else {"continue_after_camera": answer})
    report = launched(session(tmp_path, [entry, module(tmp_path, "second", "pass")]), operator=desk)
    left = Left(report.session_folder)
    assert report.outcome.value == left.end["outcome"] == outcome
    assert report.exit_code == (3 if outcome == "aborted" else 0)
    assert ("acquisition" in left.ran) == ("second" in left.ran) == acquired
    assert "no camera" in (report.reason if outcome == "aborted" else " ".join(report.warnings))
    assert [question.key for question in desk.asked] == (["continue_after_camera"] if policy == "prompt" else [])


@pytest.mark.parametrize(
    ("policy", "answer", "others"),
    [
        (None, None, {"second", "tidy"}),
        ("continue", None, {"second", "tidy"}),
        ("abort", None, {"tidy"}),
        ("prompt", True, {"second", "tidy"}),
        ("prompt", False, {"tidy"}),
    ],
)
def test_a_failed_module_after(tmp_path: Path, policy: str | None, answer: bool | None, others: set[str]) -> None:
    entry = module(tmp_path, "copy", FAIL, **({"on_failure": policy} if policy else {}))
    rest = [module(tmp_path, "second", "pass"), module(tmp_path, "tidy", "pass", run="always")]
    desk = Desk({} if answer is None else {"continue_after_copy": answer})
    report = launched(session(tmp_path, post=[entry, *rest]), operator=desk)
    left = Left(report.session_folder)
    assert (report.outcome, report.exit_code) == (SessionOutcome.COMPLETED_WITH_FAILURES, 1)
    assert left.ran == {"acquisition", "copy", *others}
    assert "copy" in report.reason
    assert (left.folder / "session_state.json").exists(), "the acquisition is well"


def test_an_unknown_policy_starts_nothing(tmp_path: Path) -> None:
    report = launched(session(tmp_path, [module(tmp_path, "camera", FAIL, on_failure="explode")]))
    assert (report.exit_code, report.session_folder) == (2, None)
    assert "on_failure" in report.reason and "explode" in report.reason
    assert not (tmp_path / "out").exists()


def test_retries_and_the_time_they_take(tmp_path: Path) -> None:
    body = "import pathlib\nf = context.session_folder / 'n'\nn = int(f.read_text()) + 1 if f.exists() else 1\n"
    body += "f.write_text(str(n))\nassert n == 3, f'attempt {n}'"
    report = launched(session(tmp_path, [module(tmp_path, "shy", body, retries=2)]))
    (outcome,) = report.modules
    assert (report.outcome, outcome.attempts, outcome.outcome) == (SessionOutcome.COMPLETED, 3, "completed")
    report = launched(session(tmp_path, [module(tmp_path, "shy", body, retries=1)]))
    assert (report.outcome, report.modules[0].attempts) == (SessionOutcome.ABORTED, 2)
    assert "attempt 2" in report.reason


def test_a_module_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    enough = tmp_path / "enough"
    body = f"import pathlib, time\nwhile not pathlib.Path({str(enough)!r}).exists():\n    time.sleep(0.01)"
    report = launched(session(tmp_path, [module(tmp_path, "slow", body, timeout_sec=0.2)]))
    enough.touch()
    assert report.outcome is SessionOutcome.ABORTED
    assert "timeout_sec = 0.2" in report.reason
    assert 0.1 < report.modules[0].duration_s < 100


@pytest.mark.parametrize(
    ("body", "fails"),
    [
        ("return 0", ""),
        ("return None", ""),
        ("return True", ""),
        ("return 1", "1"),
        ("return False", "False"),
        ("return {'rig_note': 'x'}", "rig_note"),
        ("raise SystemExit(0)", ""),
        ("raise SystemExit(4)", "4"),
        ("return object()", "object"),
        ("from opticstream.rig.modules import ModuleResult\nreturn ModuleResult(success=False, message='no')", "no"),
    ],
)
def test_results(tmp_path: Path, body: str, fails: str) -> None:
    report = launched(session(tmp_path, [module(tmp_path, "m", body)]))
    if fails == "":
        assert report.outcome is SessionOutcome.COMPLETED, report.reason
    else:
        assert report.outcome is SessionOutcome.ABORTED and fails in report.reason


def test_what_a_module_returns_and_writes_is_seen_by_all_that_follow(tmp_path: Path) -> None:
    returns = module(tmp_path, "returns", RESULT.format("values={'exposure': 7, 'note': 'first'}"))
    writes = script(
        tmp_path,
        "writes",
        "import json, pathlib\ndef run_pre_acquisition(param_file):\n"
        "    path = pathlib.Path(param_file)\n    data = json.loads(path.read_text())\n"
        "    assert data['exposure'] == 7, data\n"
        "    data['command'][-1] = data['command'][-1].replace('GAIN', '12')\n    data['note'] = 'second'\n"
        "    path.write_text(json.dumps(data))\n    return 0\n",
    )
    after = module(
        tmp_path,
        "after",
        "assert (context.parameters['exposure'], context.parameters['note']) == (7, 'second'), context.parameters",
    )
    given = session(tmp_path, [returns, {"module_type": "script_module", "module_path": writes}], [after])
    given["command"] = [*given["command"][:-1], "print('gain GAIN')"]
    report = launched(given)
    left = Left(report.session_folder)
    assert report.outcome is SessionOutcome.COMPLETED, report.reason
    assert (left.metadata / "acquisition_stdout.log").read_text() == "gain 12\n"
    processed = left.json("processed_parameters")
    assert (processed["exposure"], processed["note"]) == (7, "second")
    assert left.json("input_parameters") == given


@pytest.mark.parametrize("content", ["{", "[]", '{"session_sync_port": "x"}', '{"resource_log_interval": -1}'])
def test_a_module_that_spoils_the_parameter_file_has_failed(tmp_path: Path, content: str) -> None:
    spoils = module(tmp_path, "spoils", f"context.param_file.write_text({content!r})", on_failure="continue")
    then = module(
        tmp_path, "then", "import json\nassert json.loads(context.param_file.read_text())['subject_id'] == 'm1'"
    )
    report = launched(session(tmp_path, [spoils, then]))
    left = Left(report.session_folder)
    assert left.modules == {"spoils": "failed", "then": "completed"}, report.modules
    assert "processed_parameters.json" in report.modules[0].message
    assert report.outcome is SessionOutcome.COMPLETED
    assert left.json("processed_parameters")["subject_id"] == "m1"


def test_a_module_that_removes_the_parameter_file_has_failed(tmp_path: Path) -> None:
    report = launched(session(tmp_path, [module(tmp_path, "removes", "context.param_file.unlink()")]))
    assert report.outcome is SessionOutcome.ABORTED
    assert "processed_parameters.json" in report.reason
    assert Left(report.session_folder).json("processed_parameters")["subject_id"] == "m1"


def test_two_modules_of_one_name_are_told_apart(tmp_path: Path) -> None:
    twice = module(tmp_path, "twice", "pass")
    report = launched(session(tmp_path, [twice, twice], [twice]))
    assert [module.name for module in report.modules] == ["twice (1)", "twice (2)", "twice"]
    assert {"twice (1)", "twice (2)", "twice"} <= report.durations.keys()


def test_scripts_of_a_repository(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    (origin / "code").mkdir(parents=True)
    (origin / "code" / "helper.py").write_text("TABLE = 'a,b'\n")
    (origin / "code" / "table.py").write_text(
        "import helper\nfrom pathlib import Path\ndef make(seed, output_path):\n"
        "    Path(output_path).write_text(f'{helper.TABLE},{seed}')\n    return 0\n"
    )
    (origin / "acquire.py").write_text("print('from the repository')\n")
    for arguments in (
        ("init", "-q", "-b", "main"),
        ("add", "."),
        ("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "x"),
    ):
        subprocess.run(["git", *arguments], cwd=origin, check=True)
    entry = {
        "module_type": "script_module",
        "module_path": "code/table.py",
        "module_parameters": {"function": "make", "function_args": {"seed": 42, "output_path": "table.csv"}},
    }
    tidy = {"module_type": "script_module", "module_path": "code\\gone.py", "on_failure": "continue"}
    given = parameters(
        tmp_path,
        script_path="acquire.py",
        repository_url=str(origin),
        local_repository_path=str(tmp_path / "code"),
        pre_acquisition_pipeline=[entry, tidy],
    )
    report = launched(given)
    left = Left(report.session_folder)
    assert report.outcome is SessionOutcome.COMPLETED, report.reason
    assert (left.folder / "table.csv").read_text() == "a,b,42"
    assert (left.metadata / "acquisition_stdout.log").read_text() == "from the repository\n"
    theirs, ours = left.json("git_revisions")
    assert theirs["repository_url"] == str(origin) and len(theirs["commit"]) == 40 and theirs["dirty"] is False
    assert ours["name"] == "opticstream"
    assert report.modules[1].outcome == "failed" and "gone.py" in report.modules[1].message
    assert not list(origin.rglob("__pycache__")) and not list((tmp_path / "code").rglob("__pycache__"))


class Impatient(Desk):
    """Presses Ctrl+C instead of an answer to one question; where nobody hears it, the answer is yes."""

    def ask(self, question: Question, timeout_s: float | None = None) -> Value:
        if question.key == "continue_after_camera":
            signal.raise_signal(signal.SIGINT)
            self.told.append("nobody heard it")
            return True
        return super().ask(question, timeout_s)


@pytest.mark.parametrize("stage", ["pre", "post"])
def test_ctrl_c_at_the_question_whether_to_go_on(tmp_path: Path, stage: str) -> None:
    entries = [module(tmp_path, "camera", FAIL, on_failure="prompt"), module(tmp_path, "second", "pass")]
    desk = Impatient()
    report = launched(session(tmp_path, **{stage: entries}), operator=desk)
    left = Left(report.session_folder)
    assert not desk.told
    assert (report.outcome, report.reason) == (SessionOutcome.INTERRUPTED, "Ctrl+C")
    assert left.end["exit_code"] == 130 and "second" not in left.ran


def test_a_run_that_was_cancelled_at_a_question_is_not_said_to_be_ctrl_c(tmp_path: Path) -> None:
    """What asks in Prefect says so by a KeyboardInterrupt, mostly before the watch for cancellations does."""
    said = "a cancellation in Prefect (cancelled at mouse_weight_pre_g)"
    report = launched(session(tmp_path, [module(tmp_path, "weigh", f"raise KeyboardInterrupt({said!r})")]))
    assert (report.outcome, report.reason) == (SessionOutcome.INTERRUPTED, said)
    assert Left(report.session_folder).end["reason"] == said
