"""``opticstream launch`` as people type it: validate, dry run, refusals, what is printed."""

import codecs
import json
from pathlib import Path
from typing import Any

import pytest

from support.command import Answer, command_environment, run_command, run_in_turn
from support.launching import PYTHON, module, only_session, parameters

BOM = codecs.BOM_UTF8
SCHEMA = "https://schemas.invalid/openscope-params/main/tooling/model_launcher.schema.json"
ARCHIVER = {
    "module_type": "launcher_module",
    "module_path": "disk_space_check",
    "module_parameters": {"network_dir": "\\\\server\\share$\\Data\\{subject_id}\\{session_uuid}\\{modality}"},
}
REAL: dict[str, dict[str, Any]] = {
    "bonsai_master": {
        "$schema": SCHEMA,
        "launcher": "bonsai",
        "launcher_version": ">=0.2.10,<0.3",
        "repository_url": "https://git.invalid/lab/stimuli.git",
        "repository_commit_hash": "17867095c5d0b7aba62e21f1884a68beb65054c7",
        "local_repository_path": "C:\\LabData\\Code",
        "script_path": "code\\src\\oddball.bonsai",
        "bonsai_exe_path": "code/bonsai/Bonsai.exe",
        "bonsai_setup_script": "code/bonsai/setup.cmd",
        "output_root_folder": "C:\\LabData",
        "session_sync_role": "master",
        "session_sync_bind_host": "0.0.0.0",
        "session_sync_port": 50001,
        "session_sync_expected_slaves": 2,
        "protocol_id": ["protocol_001", 7],
        "modality": "behavior",
        "collect_mouse_runtime_data": True,
        "subject_id": 816212,
        "user_id": "operator",
        "script_parameters": {
            "PortName": "{rig_param:COM_port}",
            "Initial Spont Int": 300,
            "Screen_BlueColor (0-1)": 0.5,
            "SessionPathOverride": "{output_session_folder}",
        },
        "pre_acquisition_pipeline": ["mouse_weight_pre_prompt", ARCHIVER],
    },
    "matlab_slave": {
        "$schema": "../../tooling/model_launcher.schema.json",
        "launcher": "matlab",
        "launcher_version": ">=0.2,<0.3",
        "matlab_engine_name": "slap2_launcher",
        "matlab_function": "slap2_launcher",
        "matlab_pass_session_folder": True,
        "matlab_session_folder_position": "prepend",
        "matlab_enable_resume": True,
        "matlab_resume_keyword": "resume",
        "matlab_exe_path": "C:/Program Files/MATLAB/bin/matlab.exe",
        "session_sync_mode": "slave",
        "session_sync_master_host": "behavior-pc",
        "session_sync_port": 50001,
        "output_root_folder": "\\\\server\\share$\\Data",
        "protocol_id": 42,
        "subject_id": "816212",
        "user_id": "operator",
    },
    "legacy": {
        "mouse_id": "m7",
        "user_id": "u",
        "OutputFolder": "D:\\Data",
        "bonsai_path": "flows/x.bonsai",
        "bonsai_exe_path": "Bonsai.exe",
        "bonsai_parameters": {"Path": "{OutputFolder}", "ValveOpenTime": 0.03},
        "launcher_version": "",
        "bonsai_max_retries": None,
    },
    "base": {
        "$schema": "../../schemas/launcher/1.0.0.json",
        "launcher": "base",
        "launcher_version": ">=0.2.7",
        "subject_id": "m1",
        "user_id": "operator",
        "pre_acquisition_pipeline": ["example_pre_acquisition_module"],
        "post_acquisition_pipeline": ["example_post_acquisition_module"],
        "output_root_folder": "C:/temp/minimal",
        "mouse_platform_name": "platform",
        "active_mouse_platform": True,
        "description": "minimal",
        "notes": "ü",
    },
}
BROKEN = {
    "Subject_ID": "m1",
    "subject_id": "m2",
    "user_id": ["someone"],
    "launcher": "pyhton",
    "launcher_version": ">=0.3",
    "resource_log_interval": -1,
    "session_sync_role": "master",
    "session_sync_port": 99999,
    "pre_acquisition_pipeline": [{"module_path": "disk_space_check", "failure_policy": "explode", "retries": -2}, 42],
    "post_acquisition_pipeline": "session_archiver",
}
LACKING = {"subject_id": "m1", "user_id": "u", "post_acquisition_pipeline": ["slap2_meta_annotator"]}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    for name, content in REAL.items():
        (folder / f"{name}.json").write_bytes(BOM + json.dumps(content, indent=4, ensure_ascii=False).encode())
    (folder / "broken.json").write_text(json.dumps(BROKEN))
    (folder / "lacking.json").write_text(json.dumps(LACKING))
    (folder / "cut.json").write_text('{\n  "subject_id": "m1",\n')
    (folder / "rig.toml").write_text('rig_id = "rig-3"\nCOM_port = "COM3"\n')
    return folder


def answers(work: Path, *calls: list[str]) -> list[Answer]:
    """Run commands where a name cannot be resolved and a proxy leads nowhere: a request would fail."""
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = command_environment(work.parent / "new-home", **nowhere)
    return run_in_turn(environment, calls, work)


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_real_files_are_accepted_offline_and_broken_ones_listed(work: Path) -> None:
    before = listing(work)
    rig = ["--rig-config", "rig.toml"]
    good, bad, machine, cut = answers(
        work,
        ["launch", "validate", *(f"{name}.json" for name in REAL), *rig],
        ["launch", "validate", "base.json", "broken.json", "lacking.json", *rig],
        ["launch", "validate", "base.json", "broken.json", "--json", *rig],
        ["launch", "validate", "cut.json", "gone.json", *rig],
    )
    assert good.code == 0, good.stdout
    for name, launcher in (
        ("bonsai_master", "bonsai"),
        ("matlab_slave", "matlab"),
        ("legacy", "bonsai"),
        ("base", "base"),
    ):
        assert f"{name}.json: valid, launcher {launcher}" in good.stdout
    assert bad.code == 2
    assert "base.json: valid" in bad.stdout and "broken.json: cannot be used" in bad.stdout
    for key in ("user_id", "launcher", "launcher_version", "resource_log_interval", "session_sync_port"):
        assert f"\n  {key}: found" in bad.stdout, key
    for place in ("[0].on_failure", "[0].retries", "[1]"):
        assert f"pre_acquisition_pipeline{place}" in bad.stdout, bad.stdout
    assert "post_acquisition_pipeline: found" in bad.stdout
    assert "lacking.json: valid" in bad.stdout and "a launch with it is refused" in bad.stdout.replace("\n", " ")
    said = json.loads(machine.stdout)
    assert (machine.code, said["valid"], [each["valid"] for each in said["files"]]) == (2, False, [True, False])
    assert len(said["files"][1]["problems"]) >= 8
    assert cut.code == 2 and "line 3" in cut.stdout and "gone.json" in cut.stdout
    assert listing(work) == before and not (work.parent / "new-home").exists(), "it writes nothing"


def test_a_dry_run_says_what_would_be_done_and_does_nothing(work: Path) -> None:
    given = parameters(work, "print(1)", pre_acquisition_pipeline=[module(work, "first", "pass")])
    given["post_acquisition_pipeline"] = [{"module_path": "example_post_acquisition_module", "run": "always"}]
    (work / "p.json").write_text(json.dumps(given))
    before = listing(work)
    plain, machine, unanswered = answers(
        work,
        ["launch", "p.json", "--dry-run", "--operator", "headless"],
        ["launch", "p.json", "--dry-run", "--json", "--set", "user_id=other"],
        ["launch", "p.json", "--dry-run", "--set", "subject_id="],
    )
    assert plain.code == 0, plain.stderr
    order = ["load parameters", "session folder", "first", "acquisition: launcher base", "always", "end state"]
    places = [plain.stdout.index(word) for word in order]
    assert places == sorted(places)
    said = json.loads(machine.stdout)
    assert said["parameters"]["user_id"] == "other" and said["steps"][0] == "load parameters"
    assert unanswered.code == 0 and "will be asked for: subject_id" in unanswered.stdout
    assert listing(work) == before and not (work.parent / "new-home").exists()


def test_what_cannot_be_launched_is_refused_before_anything_is_made(work: Path) -> None:
    (work / "nobody.json").write_text(json.dumps({"launcher": "base", "output_root_folder": "out"}))
    headless = ["--operator", "headless", "--no-prefect"]
    broken, lacking, nobody, none, gone, odd = answers(
        work,
        ["launch", "broken.json", *headless],
        ["launch", "lacking.json", *headless],
        ["launch", "nobody.json", *headless],
        ["launch", *headless],
        ["launch", "gone.json", *headless],
        ["launch", "nobody.json", "--operator", "nobody-there.json", "--no-prefect"],
    )
    assert {each.code for each in (broken, lacking, nobody, none, gone, odd)} == {2}
    assert "slap2_meta_annotator" in lacking.stderr
    assert "subject_id" in nobody.stderr and "user_id" in nobody.stderr, "every key that is missing, at once"
    assert "test_subject" not in nobody.stderr
    assert "no parameter file" in none.stderr and "gone.json" in gone.stderr
    assert "answers file" in odd.stderr.replace("\n", " ")
    assert not list(work.glob("out*")) and not (work / "demo-output").exists()


def test_an_answers_file_and_values_over_the_file(work: Path) -> None:
    (work / "open.json").write_text(
        json.dumps({"command": [*PYTHON, "print('{subject_id}')"], "output_root_folder": "out"})
    )
    (work / "answers.json").write_text(json.dumps({"subject_id": "m9", "user_id": "typed", "wieght": 25}))
    (done,) = answers(
        work,
        ["launch", "--operator", "answers.json", "--no-prefect", "open.json", "--set", "user_id=set", "--json"],
    )
    assert done.code == 0, done.stderr
    left = only_session(work / "out")
    assert (left.end["subject_id"], left.end["user_id"]) == ("m9", "set")
    assert (left.metadata / "acquisition_stdout.log").read_text() == "m9\n"
    assert json.loads(done.stdout)["session_name"].startswith("m9_")
    told = "answers.json: no question had the key user_id, wieght: misspelled, or not needed"
    assert told in " ".join(done.stderr.split()) and told in left.end["warnings"]


def test_a_secret_is_nowhere(work: Path) -> None:
    (work / "p.json").write_text(json.dumps(parameters(work, "print(1)")))
    (done,) = answers(
        work, ["launch", "p.json", "--no-prefect", "--operator", "headless", "--set", "session_sync_secret=hunter2"]
    )
    assert done.code == 0, done.stderr
    left = only_session(work / "out")
    assert [path for path in left.folder.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()] == []
    assert "hunter2" not in done.stdout + done.stderr


def test_levels_of_the_log(work: Path) -> None:
    (work / "p.json").write_text(json.dumps(parameters(work, "print('line of the acquisition')")))
    line = ["launch", "p.json", "--no-prefect", "--operator", "headless"]
    usual, quiet = answers(work, line, [*line, "--set", "log_level=ERROR"])
    assert "line of the acquisition" in usual.stderr
    assert "line of the acquisition" not in quiet.stderr
    folders = sorted((work / "out").iterdir())
    assert len(folders) == 2
    for folder in folders:
        assert "line of the acquisition" in (folder / "launcher_metadata" / "launcher.log").read_text()


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    """Also a module that is not there, beside values that cannot be used; and a script that nothing could bring."""
    pipeline = ["mouse_wieght_pre_prompt", {"module_path": "disk_space_check", "on_failure": "explode"}]
    given = {"subject_id": "m", "user_id": "u", "session_sync_role": "master", "pre_acquisition_pipeline": pipeline}
    (tmp_path / "bad.json").write_text(json.dumps(given))
    told = run_command(command_environment(tmp_path / "home"), "launch", tmp_path / "bad.json", expect=2).stderr
    for word in ("on_failure: found 'explode'", "session_sync_port", "Did you mean mouse_weight_pre_prompt"):
        assert word in told
    gone = {"subject_id": "m", "user_id": "u", "script_path": "gone.py", "output_root_folder": str(tmp_path / "out")}
    (tmp_path / "gone.json").write_text(json.dumps(gone))
    command = ("launch", tmp_path / "gone.json", "--operator", "headless", "--no-prefect")
    told = run_command(command_environment(tmp_path / "home"), *command, expect=2).stderr
    assert "script_path: found gone.py; expected a file" in told and not (tmp_path / "out").exists()
