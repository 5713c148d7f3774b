"""What ``examples/`` shows runs, and every file it leaves says what it should."""

import json
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from support.command import command_environment, command_line, run_command
from support.launching import only_session
from support.repository import ROOT

PAUSE = "time.sleep(0.1)"
SAMPLED = (
    "while '\"processes\"' not in (folder / 'launcher_metadata/resource_usage.json').read_text(): time.sleep(0.01)"
)
"""Added to the experiment: it takes so long that its processes are measured, also where the launcher stands still."""
HEADLESS = ("--no-prefect", "--operator", "headless")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with the examples in it, which takes what they write."""
    shutil.copytree(ROOT / "examples", tmp_path / "work" / "examples")
    return tmp_path / "work"


def test_the_minimal_session_leaves_every_file(home: Path, checkout: Path) -> None:
    environment = command_environment(home)
    script = checkout / "examples" / "minimal.py"
    code = script.read_text("utf-8")
    assert code.count(PAUSE) == 1
    script.write_text(code.replace(PAUSE, f"{PAUSE}\n            {SAMPLED}"), "utf-8")
    line = command_line("launch", "examples/minimal.json", *HEADLESS, "--json")
    done = subprocess.run(line, cwd=checkout, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    left = only_session(checkout / "demo-output" / "sessions")
    assert (said["outcome"], said["exit_code"], said["recorded"]) == ("completed", 0, False)
    assert (said["session_name"], said["session_folder"]) == (left.folder.name, str(left.folder))
    assert {"session folder", "acquisition"} <= said["durations"].keys()

    assert (left.metadata / "input_parameters.json").read_bytes() == (ROOT / "examples/minimal.json").read_bytes()
    processed = left.json("processed_parameters")
    assert processed["session_uuid"] == left.folder.name
    assert processed["output_session_folder"] == str(left.folder)
    assert processed["launcher"] == "python"
    command = left.json("command_line_arguments")
    assert command["arguments"][1:] == ["examples/minimal.json", *HEADLESS, "--json"]
    assert command["working_directory"] == str(checkout)
    assert command["original_param_file"] == str(checkout / "examples" / "minimal.json")
    (ours,) = left.json("git_revisions")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ours["name"] == "opticstream" and ours["commit"] in (head.stdout.strip(), None)

    samples = left.json("resource_usage")
    assert any(sample["acquisition"] for sample in samples), samples
    assert all(sample["launcher"]["memory_mb"] > 1 for sample in samples)
    assert (left.metadata / "resource_usage.png").stat().st_size > 1000
    assert "trial 5 of 5" in left.log and "Acquisition completed" in left.log
    assert (left.metadata / "acquisition_stdout.log").read_text().splitlines()[-1] == "trial 5 of 5"
    assert len((left.folder / "trials.csv").read_text().splitlines()) == 6

    end = left.end
    start, stop = (datetime.fromisoformat(end[key]) for key in ("start_time", "stop_time"))
    assert stop > start and start.utcoffset() is not None
    assert (end["outcome"], end["exit_code"], end["process_returncode"], end["reason"]) == ("completed", 0, 0, "")
    assert (end["subject_id"], end["user_id"], end["launcher"]) == ("mouse123", "tester", "python")
    assert end["acquisition"]["outcome"] == "completed"
    state = json.loads((left.folder / "session_state.json").read_text())
    assert any(name.endswith("BaseLauncher") for name in state["launcher_states"]), state
    assert json.loads((left.folder / "session.json").read_text())["subject_id"] == "mouse123"
    assert not (left.metadata / "debug_state.json").exists()
    assert not list(left.folder.rglob("*.tmp"))
    assert not list(left.metadata.glob("acquisition.json")), "the record of a running acquisition is gone"


def test_a_script_that_gives_up_is_a_failed_session(home: Path, checkout: Path) -> None:
    line = command_line("launch", "examples/minimal.json", *HEADLESS, "--set", 'script_arguments=["1", "3"]')
    done = subprocess.run(
        line, cwd=checkout, env=command_environment(home), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 1, done.stderr
    left = only_session(checkout / "demo-output" / "sessions")
    assert (left.end["outcome"], left.end["exit_code"], left.end["process_returncode"]) == ("failed", 1, 3)
    assert "exit code 3: the experiment gives up" in left.end["reason"] and "exit code 3" in done.stdout
    assert not (left.folder / "session_state.json").exists(), "only a good session saves its state"
    assert (left.metadata / "session_checkpoint.json").exists()


def test_the_readme_tells_of_it(tmp_path: Path) -> None:
    assert "examples/minimal.json" in (ROOT / "README.md").read_text("utf-8")
    run_command(command_environment(tmp_path / "new"), "launch", "validate", ROOT / "examples" / "minimal.json")
    assert not (tmp_path / "new").exists(), "it writes nothing"
