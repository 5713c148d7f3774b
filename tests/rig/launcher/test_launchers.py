"""Launchers of a lab's own, as the documents show them, and sessions that go on with an earlier one's state."""

import json
import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from opticstream.core.errors import BadInput
from opticstream.rig import BaseLauncher, BonsaiLauncher, MatlabLauncher, PythonLauncher
from opticstream.rig.session_outcome import SessionOutcome
from support.launching import PYTHON, Left, launched, module, parameters


def write(folder: Path, code: str | None = None, **more: Any) -> Path:
    file = folder / "params.json"
    file.write_text(json.dumps(parameters(folder, code, **more)), "utf-8")
    return file


class Phases(BaseLauncher):
    """The document's example: state in public attributes, a process of its own."""

    code = "print('phase')"

    def __init__(self, param_file: Any = None, rig_config_path: Any = None) -> None:
        super().__init__(param_file, rig_config_path)
        self.experiment_phase = "initialization"
        self.trial_count = 0
        self.custom_settings: dict[str, Any] = {"param1": "value1", "param2": 42}

    def create_process(self) -> Any:
        self.trial_count += 10
        self.experiment_phase = f"phase {self.trial_count}"
        return subprocess.Popen([*PYTHON, self.code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Failing(Phases):
    code = "import sys; print('deaf', file=sys.stderr); sys.exit(5)"


class Nothing(BaseLauncher):
    def create_process(self) -> Any:
        return None


class Inner(BaseLauncher):
    def _create_process(self) -> Any:
        return subprocess.Popen([*PYTHON, "print('inner')"], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("kind", [BaseLauncher, BonsaiLauncher, MatlabLauncher, PythonLauncher, Phases])
def test_making_one_touches_nothing(kind: type[BaseLauncher], tmp_path: Path, home: Path) -> None:
    before = sorted(home.iterdir())
    made = kind(tmp_path / "gone.json", tmp_path / "gone.toml")
    assert (made.params, made.session_uuid, made.process) == ({}, None, None)
    assert kind().param_file is None and kind("a", "b").rig_config_path == Path("b")
    assert sorted(home.iterdir()) == before
    with pytest.raises(RuntimeError, match=r"call run\(\) first"):
        _ = made.session


def test_a_process_with_pipes_is_an_acquisition(tmp_path: Path) -> None:
    launcher = Phases(write(tmp_path))
    report = launcher.launch(operator="headless", prefect=False)
    left = Left(report.session_folder)
    assert report.succeeded, report.reason
    assert launcher.stdout_data == ["phase"] and "phase" in left.log
    assert launcher.session_uuid == left.folder.name and launcher.output_session_folder == str(left.folder)
    assert launcher.params["subject_id"] == launcher.subject_id == "m1"
    assert launcher.original_input_params == json.loads((tmp_path / "params.json").read_text())
    assert launcher.rig_config["rig_id"] == "rig-3" and launcher.platform_info["python"]
    assert launcher.start_time is not None and launcher.stop_time is not None
    assert launcher.stop_time > launcher.start_time
    assert left.end["process_returncode"] == 0
    assert left.end["acquisition"]["output_bytes"] == len("phase\n")


def test_a_process_that_fails_is_a_failed_session(tmp_path: Path) -> None:
    launcher = Failing(write(tmp_path))
    assert launcher.run(operator="headless", prefect=False) is False
    assert launcher.stderr_data == ["deaf"]
    left = Left(Path(str(launcher.output_session_folder)))
    assert (left.end["outcome"], left.end["process_returncode"]) == ("failed", 5)
    assert not (left.folder / "session_state.json").exists()


def test_nothing_to_run_is_a_session_of_modules_only(tmp_path: Path) -> None:
    pipeline = {"pre_acquisition_pipeline": [module(tmp_path, "a", "pass")]}
    report = Nothing(write(tmp_path, "raise SystemExit(1)", **pipeline)).launch(operator="headless", prefect=False)
    assert report.succeeded and Left(report.session_folder).ran == {"a"}
    assert Left(report.session_folder).end["process_returncode"] is None


def test_the_inner_hook_is_called_by_the_outer(tmp_path: Path) -> None:
    launcher = Inner(write(tmp_path))
    assert launcher.run(operator="headless", prefect=False) is True
    assert launcher.stdout_data == ["inner"]


def test_something_else_is_refused(tmp_path: Path) -> None:
    class Odd(BaseLauncher):
        def create_process(self) -> Any:
            return "python run.py"

    report = Odd(write(tmp_path)).launch(operator="headless", prefect=False)
    assert report.outcome is SessionOutcome.FAILED
    assert "create_process" in report.reason and "a str" in report.reason


def test_the_hook_after_the_acquisition_decides(tmp_path: Path) -> None:
    class Strict(Phases):
        def check_experiment_success(self) -> bool:
            return False

    class Lenient(Failing):
        def check_experiment_success(self) -> bool:
            return True

    strict = Strict(write(tmp_path)).launch(operator="headless", prefect=False)
    assert strict.outcome is SessionOutcome.FAILED and strict.reason
    lenient = Lenient(write(tmp_path)).launch(operator="headless", prefect=False)
    assert lenient.outcome is SessionOutcome.COMPLETED
    assert (Path(str(lenient.session_folder)) / "session_state.json").exists()


def test_a_name_of_ones_own(tmp_path: Path) -> None:
    class Named(BaseLauncher):
        def _maybe_synchronize_session_name(self, on_roster: Any = None) -> str | None:
            return "given/by the lab"

    report = Named(write(tmp_path)).launch(operator="headless", prefect=False)
    assert report.session_name == "given_by_the_lab"


LAB = """
from opticstream.rig import BaseLauncher

class Rig(BaseLauncher):
    def _create_process(self):
        self.said = self.params["subject_id"]
        return None

class Other:
    pass
"""


def test_the_parameters_name_a_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lab_rig.py").write_text(LAB)
    monkeypatch.syspath_prepend(str(tmp_path))
    report = launched(parameters(tmp_path, launcher="lab_rig:Rig"))
    left = Left(report.session_folder)
    assert report.succeeded and left.end["launcher"] == "lab_rig:Rig"
    state = json.loads((left.folder / "session_state.json").read_text())
    assert state["launcher_states"]["lab_rig.Rig"]["attributes"]["said"] == "m1"
    for name in ("lab_rig:Gone", "lab_gone:Rig", "lab_rig:Other"):
        refused = launched(parameters(tmp_path, launcher=name))
        assert (refused.exit_code, refused.session_folder) == (2, None), name
        assert name.partition(":")[2] in refused.reason
    monkeypatch.delitem(sys.modules, "lab_rig")


def test_a_launcher_in_another_thread(tmp_path: Path) -> None:
    launcher, results = Phases(write(tmp_path)), []
    thread = threading.Thread(target=lambda: results.append(launcher.run(operator="headless", prefect=False)))
    thread.start()
    thread.join(100)
    assert results == [True]


def test_another_thread_stops_it(tmp_path: Path) -> None:
    class Long(Phases):
        code = "import time; print('on', flush=True); time.sleep(300)"

    launcher = Long(write(tmp_path))
    reports: list[Any] = []
    thread = threading.Thread(target=lambda: reports.append(launcher.launch(operator="headless", prefect=False)))
    thread.start()
    while launcher.process is None:
        thread.join(0.02)
        assert thread.is_alive()
    launcher.stop("the camera overheats")
    thread.join(100)
    assert (reports[0].outcome, reports[0].reason) == (SessionOutcome.INTERRUPTED, "the camera overheats")


def test_two_launches_of_one_process_keep_apart(tmp_path: Path) -> None:
    handlers = list(logging.getLogger("opticstream").handlers)
    level = logging.getLogger("opticstream").level
    first = launched(parameters(tmp_path, "print('first')"))
    second = launched(parameters(tmp_path, "print('second')"))
    one, two = Left(first.session_folder), Left(second.session_folder)
    assert one.folder != two.folder, "two launches in one second get two folders"
    assert "first" in one.log and "second" not in one.log and two.folder.name not in one.log
    assert "second" in two.log and "first" not in two.log
    assert logging.getLogger("opticstream").handlers == handlers
    assert logging.getLogger("opticstream").level == level


def test_run_from_params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Phases, "run", lambda self: self.launch(operator="headless", prefect=False).succeeded)
    level = logging.getLogger("opticstream").level
    assert Phases.run_from_params(write(tmp_path), log_level="WARNING") is True
    logging.getLogger("opticstream").setLevel(level)


def test_state_is_saved_when_the_acquisition_is_well(tmp_path: Path) -> None:
    failing = {"post_acquisition_pipeline": [module(tmp_path, "copy", "return 1")]}
    report = Phases(write(tmp_path, **failing)).launch(operator="headless", prefect=False)
    assert report.outcome is SessionOutcome.COMPLETED_WITH_FAILURES
    later = Phases()
    assert later.load_session_state(str(report.session_folder)) is True
    assert (later.trial_count, later.experiment_phase) == (10, "phase 10")
    assert later.session_uuid is None, "what belongs to one session stays there"


@pytest.mark.parametrize("kind", [Phases, Failing])
def test_a_session_goes_on_with_an_earlier_one(tmp_path: Path, kind: type[Phases]) -> None:
    earlier = kind(write(tmp_path)).launch(operator="headless", prefect=False)
    later = kind(tmp_path / "params.json")
    report = later.launch(operator="headless", prefect=False, resume_from=earlier.session_folder)
    assert later.trial_count == 20, "of a failed session its checkpoint is taken"
    assert report.session_folder != earlier.session_folder
    assert Left(report.session_folder).end["resumed_from"] == str(earlier.session_folder)


def test_resuming_what_has_no_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for earlier, reason in (
        ("empty", "no saved state of Phases"),
        ("nowhere", "neither a folder nor a session's name"),
    ):
        report = Phases(write(tmp_path)).launch(operator="headless", prefect=False, resume_from=tmp_path / earlier)
        assert report.outcome is SessionOutcome.FAILED and reason in report.reason
        with pytest.raises(BadInput):
            raise report.error if report.error else AssertionError


def test_a_session_is_resumed_by_its_name(tmp_path: Path) -> None:
    first = Phases(write(tmp_path))
    first.trial_count = 7
    done = first.launch(operator="headless", prefect=False)
    second = Phases(write(tmp_path))
    report = second.launch(operator="headless", prefect=False, resume_from=done.session_name)
    assert report.succeeded and (done.succeeded, first.trial_count, second.trial_count) == (True, 17, 27)
    assert Left(report.session_folder).end["resumed_from"] == str(done.session_folder)


def test_a_kind_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text("print('python')")
    given = write(tmp_path, script_path=str(tmp_path / "s.py"), launcher="base")
    report = PythonLauncher(given).launch(operator="headless", prefect=False)
    assert report.succeeded and Left(report.session_folder).end["launcher"] == "python"


def test_a_session_that_ended_before_it_took_up_an_earlier_state_does_not_pass_for_it(tmp_path: Path) -> None:
    first = Phases(write(tmp_path))
    first.trial_count = 7
    earlier = first.launch(operator="headless", prefect=False)
    # The experiment's code comes before the state.
    code = {"repository_url": str(tmp_path / "nothing"), "local_repository_path": str(tmp_path / "code")}
    cut = Phases(write(tmp_path, **code)).launch(operator="headless", prefect=False, resume_from=earlier.session_folder)
    assert cut.outcome is SessionOutcome.FAILED
    last = Phases(write(tmp_path))
    report = last.launch(operator="headless", prefect=False, resume_from=cut.session_folder)
    assert (last.trial_count, report.outcome) == (0, SessionOutcome.FAILED), "it does not begin again unnoticed"
    assert "no saved state of Phases" in report.reason


def test_a_launcher_sees_what_modules_before_it_returned_and_wrote(tmp_path: Path) -> None:
    class Exposing(BaseLauncher):
        def create_process(self) -> Any:
            seen.append((self.params.get("exposure"), self.params.get("gain")))

    seen: list[Any] = []
    returns = "from opticstream.rig.modules import ModuleResult\nreturn ModuleResult(values={'exposure': 7})"
    writes = "import json\ndata = json.loads(context.param_file.read_text())\ndata['gain'] = 12\n"
    writes += "context.param_file.write_text(json.dumps(data))"
    pre = [module(tmp_path, "returns", returns), module(tmp_path, "writes", writes)]
    report = launched(parameters(tmp_path, pre_acquisition_pipeline=pre, exposure=1), launcher=Exposing())
    assert report.succeeded and seen == [(7, 12)]


def test_a_name_that_rigs_share_resumes_the_own_rigs_session(tmp_path: Path, home: Path) -> None:
    """Session sync gives them one name, and they may share a state store."""
    done = {}
    for rig, trials in (("rig-3", 7), ("imaging", 90)):
        (home / "rig.toml").write_text(f'rig_id = "{rig}"\n', "utf-8")
        launcher = Phases(write(tmp_path, output_root_folder=str(tmp_path / rig), session_uuid="shared"))
        launcher.trial_count = trials
        done[rig] = launcher.launch(operator="headless", prefect=False)
        assert done[rig].succeeded
    for rig, trials in (("rig-3", 27), ("imaging", 110)):
        (home / "rig.toml").write_text(f'rig_id = "{rig}"\n', "utf-8")
        later = Phases(write(tmp_path, output_root_folder=str(tmp_path / f"{rig} later")))
        report = later.launch(operator="headless", prefect=False, resume_from="shared")
        assert Left(report.session_folder).end["resumed_from"] == str(done[rig].session_folder)
        assert later.trial_count == trials
