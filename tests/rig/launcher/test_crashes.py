"""What ends a session that nobody planned: crashes of modules and launchers, full disks, an end state in any case."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opticstream.rig import BaseLauncher
from opticstream.rig.session_outcome import SessionOutcome
from support.command import command_environment, command_line
from support.launching import Left, launched, module, parameters
from support.small_disk import seen_from, small_disks


class Crashing(BaseLauncher):
    def create_process(self) -> Any:
        self.trial = 4
        raise ZeroDivisionError("camera 3")


def test_a_crash_of_the_launcher_leaves_its_state(tmp_path: Path) -> None:
    tidy = {"post_acquisition_pipeline": [module(tmp_path, "tidy", "pass", run="always")]}
    report = launched(parameters(tmp_path, **tidy), launcher=Crashing())
    left = Left(report.session_folder)
    debug = left.json("debug_state")
    assert (report.outcome, report.exit_code) == (SessionOutcome.FAILED, 1)
    assert isinstance(report.error, ZeroDivisionError)
    assert debug["crash_info"]["exception_type"] == "ZeroDivisionError" and "camera 3" in debug["exception"]
    assert "create_process" in debug["traceback"] and debug["launcher_state"]["trial"] == 4
    assert debug["session_uuid"] == left.folder.name
    assert left.end["reason"] == "ZeroDivisionError: camera 3" and left.ran == {"tidy"}


def test_a_crash_of_a_module_is_that_modules(tmp_path: Path) -> None:
    report = launched(parameters(tmp_path, pre_acquisition_pipeline=[module(tmp_path, "m", "{}['key']")]))
    left = Left(report.session_folder)
    assert report.outcome is SessionOutcome.ABORTED
    assert "KeyError" in left.modules_messages["m"] and "Traceback" in left.log
    assert not (left.metadata / "debug_state.json").exists(), "the launcher has not crashed"


def test_a_launcher_that_cannot_say_its_state(tmp_path: Path) -> None:
    class Mute(BaseLauncher):
        def get_persistent_attributes(self) -> dict[str, Any]:
            raise ValueError("mute")

        def save_session_state(self, *_: Any, **__: Any) -> bool:
            raise OSError("the share is gone")

    report = launched(parameters(tmp_path, "print(1)"), launcher=Mute())
    assert report.succeeded and Left(report.session_folder).end["exit_code"] == 0
    assert "the share is gone" in " ".join(report.warnings)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    report = launched(parameters(tmp_path, command=["no-such-program-here"]))
    assert report.outcome is SessionOutcome.FAILED
    assert "no-such-program-here" in Left(report.session_folder).end["reason"]


GREEDY = """
import os, time
with open(os.environ["OUTPUT_FOLDER"] + "/data", "wb", 0) as file:
    while True: file.write(bytes(1 << 12))
"""
FILLED = f"try:\n    {GREEDY.strip().replace(chr(10), chr(10) + '    ')}\nexcept OSError: pass\n"


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="tmpfs")
def test_a_full_disk_is_said_and_the_session_ends(home: Path, tmp_path: Path) -> None:
    """Once the acquisition fails of it, once it goes by and only what the launcher writes has no room."""
    greedy, filled = tmp_path / "greedy", tmp_path / "filled"
    environment = command_environment(home)
    with small_disks(environment, {greedy: 8 << 20, filled: 8 << 20}, plain=True) as nursery:
        for disk, code in ((greedy, GREEDY), (filled, "import os, time\n" + FILLED)):
            given = parameters(disk, code, resource_log_interval=0.05)
            given["post_acquisition_pipeline"] = [module(tmp_path, "tidy", "pass", run="always")]
            file = tmp_path / f"{disk.name}.json"
            file.write_text(json.dumps(given))
            line = command_line("launch", file, "--no-prefect", "--operator", "headless")
            said = nursery.run(line, environment, tmp_path / "log", expect=1)
            assert "No space left on device" in said
            (folder,) = (seen_from(nursery) / disk.relative_to("/") / "out").iterdir()
            assert said.rstrip().endswith(folder.name), "it says where"
            if disk is greedy:
                assert "exit code 1: OSError: [Errno 28]" in said
            else:
                assert "the end state was not written" in said
            end = folder / "launcher_metadata" / "end_state.json"
            assert not end.exists() or json.loads(end.read_text())["exit_code"] == 1


OUTCOMES = st.sampled_from(["pass", "return 1", "raise ValueError('x' * 5000)", "raise SystemExit(3)", "1 / 0"])
ENTRIES = st.lists(
    st.tuples(
        OUTCOMES, st.sampled_from([None, "continue", "abort", "prompt"]), st.sampled_from(["on_success", "always"])
    ),
    max_size=3,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=ENTRIES, after=ENTRIES, code=st.sampled_from([None, "pass", "raise SystemExit(9)"]))
def test_whatever_modules_do_there_is_an_end_state(
    tmp_path: Path, before: list[Any], after: list[Any], code: str | None
) -> None:
    folder = tmp_path / "any"
    folder.mkdir()
    pipelines = {
        key: [
            module(folder, f"{key[:3]}{index}", body, run=run, **({"on_failure": policy} if policy else {}))
            for index, (body, policy, run) in enumerate(entries)
        ]
        for key, entries in (("pre_acquisition_pipeline", before), ("post_acquisition_pipeline", after))
    }
    report = launched(parameters(folder, code, **pipelines))
    left = Left(report.session_folder)
    assert left.end["exit_code"] == report.exit_code
    assert left.end["outcome"] == report.outcome.value
    assert (report.reason == "") == (report.exit_code == 0)
    assert len(left.end["modules"]) == len(report.modules) >= len(after)
    assert left.ran >= {f"pos{index}" for index, (_, _, run) in enumerate(after) if run == "always"}
    shutil.rmtree(folder)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(subject=st.text(max_size=80), name=st.none() | st.text(max_size=80))
def test_whatever_a_subject_is_called_its_folder_is_inside_the_root(
    tmp_path: Path, subject: str, name: str | None
) -> None:
    root = tmp_path / "names"
    given = parameters(root) | {"subject_id": subject} | ({} if name is None else {"session_uuid": name})
    report = launched(given)
    if report.session_folder is None:
        assert report.exit_code in (1, 2, 3) and report.reason
        assert not (root / "out").exists() or not list((root / "out").iterdir())
    else:
        assert report.session_folder.parent == root / "out"
        assert Left(report.session_folder).end["subject_id"]
    shutil.rmtree(root, ignore_errors=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]


def test_a_folder_that_is_made_has_an_end_state_whatever_comes_next(tmp_path: Path) -> None:
    """The folder's own name can make a parameter that depends on it useless."""
    given = parameters(tmp_path / "rig (3", "print(1)", bonsai_retry_error_patterns=["{output_session_folder}"])
    report = launched(given)
    left = Left(report.session_folder)
    assert report.outcome is SessionOutcome.FAILED and "bonsai_retry_error_patterns" in report.reason
    assert (left.end["outcome"], left.end["reason"], left.end["exit_code"]) == ("failed", report.reason, 1)
