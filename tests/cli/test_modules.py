"""``opticstream modules list|show|run``."""

import importlib.util
import json
from pathlib import Path

import pytest

from support.command import command_environment, run_command, run_in_turn
from support.pipeline import session_folder

needs_operators = pytest.mark.skipif(
    importlib.util.find_spec("opticstream.rig.operators") is None, reason="nobody to ask"
)


def test_list_and_show(home: Path, tmp_path: Path) -> None:
    calls = [
        ["modules", "list"],
        ["modules", "list", "--stage", "post", "--json"],
        ["modules", "show", "metadata_subject_fetch"],
        ["modules", "show", "mouse_weight_post_prompt", "--json"],
        ["modules", "show", "mouse_wait_pre_prompt"],
        ["modules", "show", "slap2_meta_annotator"],
        ["modules", "list", "--stage", "during"],
    ]
    listed, after, shown, described, unknown, lacking, stage = run_in_turn(command_environment(home), calls, tmp_path)
    assert listed.code == 0 and "mouse_weight_pre_prompt" in listed.stdout
    names = {one["name"]: one for one in json.loads(after.stdout)["modules"]}
    assert names["mouse_weight_post_prompt"]["stages"] == ["post_acquisition"] and "zmq_ready_waiter" in names
    assert "mouse_weight_pre_prompt" not in names
    assert "metadata_service_base_url" in shown.stdout and "also metadata_api_base_url" in shown.stdout
    assert {one["name"] for one in json.loads(described.stdout)["parameters"]} >= {"mouse_weight_minimum_g"}
    assert unknown.code == 2 and "mouse_weight_pre_prompt" in unknown.stderr
    assert lacking.code == 2 and "does not have yet" in lacking.stderr
    assert stage.code == 2 and "--stage" in stage.stderr
    assert not home.exists()


@needs_operators
def test_run_by_hand(home: Path, tmp_path: Path) -> None:
    environment = command_environment(home)
    folder = session_folder(tmp_path, {"required_free_gb": 1e9})
    before = (folder / "launcher_metadata" / "processed_parameters.json").read_bytes()
    run = ("modules", "run")
    common = ("--session", folder, "--operator", "headless")
    done = run_command(
        environment, *run, "mouse_weight_pre_prompt", *common, "--set", "mouse_weight_pre_g=21.5", "--json"
    )
    answer = json.loads(done.stdout)
    assert answer["success"] and answer["values"] == {"mouse_weight_g": 21.5}
    assert (folder / "mouse_weight.csv").read_text().endswith(",pre,21.5\n")
    assert "mouse_weight_pre_g" in run_command(environment, *run, "mouse_weight_pre_prompt", *common, expect=1).stderr
    assert "GiB" in run_command(environment, *run, "disk_space_check", *common, expect=1).stderr
    enough = run_command(environment, *run, "disk_space_check", *common, "--set", "required_free_gb=0.001")
    assert "disk_space_check: done" in enough.stdout
    answers = tmp_path / "answers.json"
    answers.write_text('{"experiment_notes_post": "late note"}')
    run_command(environment, *run, "experiment_notes_post_prompt", "--session", folder, "--operator", answers)
    assert "] late note" in (folder / "experiment_notes.txt").read_text()
    assert (folder / "launcher_metadata" / "processed_parameters.json").read_bytes() == before


@needs_operators
def test_bad_input(home: Path, tmp_path: Path) -> None:
    environment = command_environment(home)
    folder = session_folder(tmp_path, {})
    end = ("--operator", "headless")
    calls: list[tuple[tuple[object, ...], str]] = [
        (("mouse_weight_pre_prompt", "--session", tmp_path), "launcher_metadata"),
        (("disk_space_check", "--session", folder), "required_free_gb"),
        (("disk_space_check", "--session", folder, "--set", "required_free_gb"), "key=value"),
        (("mouse_weight_pre_prompt", "--session", folder, "--stage", "post"), "post_acquisition"),
        (("slap2_meta_annotator", "--session", folder), "does not have yet"),
    ]
    answers = run_in_turn(environment, [["modules", "run", *map(str, given), *end] for given, _ in calls], tmp_path)
    for (given, word), answer in zip(calls, answers, strict=True):
        assert answer.code == 2 and word in answer.stderr, (given, answer)
