"""Layers, spellings, inference, hints; anything JSON can say is loaded or refused with problems."""

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.core.errors import BadInput
from opticstream.rig import BadParameters, LaunchParameters, RigConfig, load_parameters, parse_assignments
from opticstream.rig.parameter_names import ALIASES
from opticstream.rig.parameter_types import COMPATIBLE_LAUNCHER_VERSION

WHO = {"subject_id": "m", "user_id": "u"}


def load(values, rig=None, **more):
    return load_parameters(values, RigConfig(rig or {}), **more)


def problems(values, rig=None, **more):
    with pytest.raises(BadParameters) as error:
        load(values, rig, **more)
    return {problem.key: problem for problem in error.value.problems}


def test_each_layer_wins_over_the_one_below():
    rig = {"output_root_folder": "rig", "resource_log_interval": 1, "log_level": "DEBUG", "COM_port": "COM1"}
    file = {"resource_log_interval": 2, "log_level": "WARNING", "mouse_id": "m", "script_parameters": {"a": 1, "b": 2}}
    overrides = parse_assignments(
        ["log_level=ERROR", "script_parameters.b=3", "script_parameters.c=x", "COM_port=COM9"]
    )
    loaded = load(file, rig, overrides=overrides, answers={"user_id": "u", "subject_id": " "})
    found = loaded.parameters
    assert (found.output_root_folder, found.resource_log_interval, found.log_level) == ("rig", 2, "ERROR")
    assert (found.subject_id, found.user_id) == ("m", "u")
    assert found.script_parameters == {"a": 1, "b": 3, "c": "x"}
    assert found.get("COM_port") == "COM9"
    expected = {
        "output_root_folder": "rig",
        "resource_log_interval": "file",
        "log_level": "set",
        "subject_id": "file",
        "user_id": "answer",
        "script_parameters": "file",
        "script_parameters.b": "set",
    }
    assert expected.items() <= loaded.sources.items()


def test_overrides():
    assert parse_assignments(["subject_id=007", "user_id=1e5", "resource_log_interval=2.5", "notes=a=b"]) == {
        "subject_id": "007",
        "user_id": "1e5",
        "resource_log_interval": 2.5,
        "notes": "a=b",
    }
    assert parse_assignments(["mouse_id=12", 'user_id="x"', "x=[1, 2]", "y=NaN", 'command=["a"]']) == {
        "mouse_id": "12",
        "user_id": "x",
        "x": [1, 2],
        "y": "NaN",
        "command": ["a"],
    }
    for wrong in ("subject_id", "=x", " = "):
        with pytest.raises(BadInput, match="--set"):
            parse_assignments([wrong])


def test_overrides_lead_into_pipelines_and_take_keys_away():
    file = WHO | {"pre_acquisition_pipeline": ["a", {"module_path": "b"}], "repository_url": "x", "script_path": "y.py"}
    sets = ["pre_acquisition_pipeline.0.on_failure=prompt", "repository_url=", "script_path=null"]
    loaded = load(file, overrides=parse_assignments(sets))
    assert loaded.parameters.pre_acquisition_pipeline[0].on_failure == "prompt"
    assert loaded.parameters.repository_url is None and "repository_url" not in loaded.sources
    assert loaded.parameters.launcher == "base"
    assert file["pre_acquisition_pipeline"][0] == "a"  # the caller's values stay as they are
    found = problems(file, overrides={"pre_acquisition_pipeline.5.run": "always", "subject_id.x": 1})
    assert found["pre_acquisition_pipeline.5.run"].expected == "a number below 2 after pre_acquisition_pipeline"
    assert "subject_id to be an object" in found["subject_id.x"].expected


@pytest.mark.parametrize(("alias", "name"), sorted(ALIASES.items()))
def test_every_spelling(alias, name):
    field = LaunchParameters.model_json_schema()["properties"].get(name, {})
    kinds = {field.get("type"), *(option.get("type") for option in field.get("anyOf", ()))}
    value = {"a": 1} if "object" in kinds else "slave" if name == "session_sync_role" else "value"
    sync = {"session_sync_port": 1, "session_sync_master_host": "h"}
    loaded = load(
        WHO | sync | {"script_path": "x.py"} | {alias: value} if name not in WHO else {alias: value, "user_id": "u"}
    )
    assert loaded.parameters.get(alias) == loaded.parameters.get(name) == value
    assert loaded.document(loaded.parameters)[alias] == value
    assert loaded.warnings == () or "Bonsai runs" in loaded.warnings[0]
    assert name in problems(WHO | sync | {alias: value, name: "other"} if name not in WHO else {alias: "a", name: "b"})
    assert LaunchParameters.model_validate({alias: value, name: value}).get(name) == value


@pytest.mark.parametrize(
    ("keys", "launcher"),
    [
        ({}, "base"),
        ({"workflow_path": "x"}, "bonsai"),
        ({"script_path": "a/B.BONSAI"}, "bonsai"),
        ({"script_path": r"C:\x\task.py"}, "python"),
        ({"script_path": "task.m"}, "matlab"),
        ({"matlab_function": "f"}, "matlab"),
        ({"script_path": "task.exe"}, "base"),
        ({"script_path": "task.py", "launcher": "base"}, "base"),
        ({"launcher": "Python", "script_path": "x"}, "python"),
        ({"launcher": "lab.rigs:MyLauncher"}, "lab.rigs:MyLauncher"),
    ],
)
def test_the_launcher_is_named_or_inferred(keys, launcher):
    assert load(WHO | keys).parameters.launcher == launcher
    assert LaunchParameters.model_validate(keys).launcher == launcher


def test_what_every_session_of_a_rig_has_infers_no_launcher():
    assert load(WHO, {"matlab_engine_name": "rig"}).parameters.launcher == "base"
    assert load(WHO, {"launcher": "matlab"}).parameters.launcher == "matlab"
    assert load({}, {}).parameters.get("rig_id") == RigConfig({}).rig_id


@pytest.mark.parametrize("pin", [">=0.2.7", ">=0.2.10,<0.3", ">=0.2,<0.3", ">=0.0.0", "", None])
def test_pins_of_real_files_hold(pin):
    assert load(WHO | {"launcher_version": pin}).warnings == ()


@pytest.mark.parametrize("pin", [">=0.3", "<0.2", "==1", "latest", 3, [">=0.2"]])
def test_other_pins_do_not(pin):
    assert set(problems(WHO | {"launcher_version": pin})) == {"launcher_version"}
    assert COMPATIBLE_LAUNCHER_VERSION == "0.2.57"


def test_mistyped_keys_get_a_hint_and_are_kept():
    loaded = load({"Subject_ID": "m", "sesion_sync_role": "slave", "my_own_key": 1, "$schema": "https://x.example"})
    assert len(loaded.warnings) == 2
    assert "case-sensitive" in loaded.warnings[0] and loaded.warnings[0].endswith("did you mean subject_id?")
    assert loaded.warnings[1].endswith("did you mean session_sync_role?")
    assert loaded.unanswered == ("subject_id", "user_id")
    assert loaded.parameters.get("my_own_key") == 1


def test_unread_keys_of_another_launcher_do_no_harm():
    loaded = load(WHO | {"script_path": "x.py", "matlab_cancel_timeout_sec": "soon", "session_sync_port": -1})
    assert loaded.parameters.matlab_cancel_timeout_sec == 15
    assert [w.partition(":")[0] for w in loaded.warnings] == ["matlab_cancel_timeout_sec", "session_sync_port"]
    assert set(problems(WHO | {"launcher": "matlab", "matlab_cancel_timeout_sec": "soon"})) == {
        "matlab_cancel_timeout_sec"
    }


@pytest.mark.parametrize("role", ["boss", "MASTER ", "none", "", None, "disabled"])
def test_any_other_role_disables_sync(role):
    values = WHO | {"session_sync_role": role, "session_sync_port": 1, "session_sync_expected_slaves": 1}
    loaded = load(values)
    assert loaded.parameters.sync_role == ("master" if role == "MASTER " else None)
    assert bool(loaded.warnings) == (role == "boss")


def test_what_a_synchronised_session_needs():
    assert set(problems(WHO | {"session_sync_role": "slave"})) == {"session_sync_port", "session_sync_master_host"}
    assert set(problems(WHO | {"launcher": "python"})) == {"script_path"}
    assert set(problems(WHO | {"launcher": "bonsai"})) == {"workflow_path"}


def test_a_problem_says_which_layer_it_comes_from():
    assert (
        problems(WHO, {"resource_log_interval": "often"})["resource_log_interval"].found
        == "'often' in the rig configuration"
    )
    assert problems(WHO, overrides={"log_level": "x"})["log_level"].found == "'x' from --set"


def test_truth_is_not_a_number_and_false_is_not_true():
    assert set(problems(WHO | {"resource_log_interval": True, "bonsai_executable": "x", "subject_id": False})) == {
        "resource_log_interval",
        "subject_id",
    }
    assert load(WHO | {"acquisition_error_terminate": "false"}).parameters.acquisition_error_terminate is False


def test_arguments_as_one_text_keep_windows_paths():
    found = load(WHO | {"command": r'run.exe "C:\Program Files\x" --n 5'}).parameters
    assert found.command == ("run.exe", r"C:\Program Files\x", "--n", "5")
    assert "command" in problems(WHO | {"command": 'run "x'})


def test_secrets_are_written_nowhere():
    loaded = load(WHO | {"session_sync_secret": "hunter2", "notes": "{session_sync_secret} {rig_param:rig_id}"})
    assert loaded.parameters.session_sync_secret.get_secret_value() == "hunter2"
    assert "stands in a file" in loaded.warnings[0]
    written = [loaded.document(loaded.parameters), loaded.raw.decode(), repr(loaded.parameters)]
    assert "hunter2" not in str(written)
    assert loaded.parameters.get("notes").startswith("{session_sync_secret}")
    again = load_parameters(loaded.parameters, RigConfig({}))
    assert again.parameters == loaded.parameters
    found = problems(WHO | {"session_sync_secret": ["hunter2"], "session_sync_role": "slave"})
    assert "hunter2" not in str(found)


def test_what_a_module_changes_is_read_back(tmp_path):
    loaded = load({"mouse_id": "m", "user_id": "u", "session_sync_secret": "s"})
    before, _ = loaded.resolve("n", tmp_path)
    document = json.loads(json.dumps(loaded.document(before)))
    assert loaded.reread(document, before) == before
    after = loaded.reread(document | {"mouse_id": "m2", "weight_g": 21.5, "note": "{user_id}"}, before)
    assert (after.subject_id, after.get("weight_g"), after.get("note")) == ("m2", 21.5, "{user_id}")
    assert after.session_sync_secret.get_secret_value() == "s"
    with pytest.raises(BadParameters, match=r"processed_parameters\.json.*\n.*resource_log_interval"):
        loaded.reread(document | {"resource_log_interval": -1}, before)


def test_the_rig_file_a_parameter_names(tmp_path):
    (tmp_path / "rig.toml").write_text("rig_id = 'other'\nx = 5\n")
    (tmp_path / "p.json").write_text(json.dumps({"rig_config_path": "rig.toml", "y": "{rig_param:x}"}))
    loaded = load_parameters(tmp_path / "p.json")
    assert (loaded.rig.rig_id, loaded.parameters.get("y")) == ("other", 5)


def test_problems_cross_process_boundaries():
    with pytest.raises(BadParameters) as error:
        load({"subject_id": []})
    again = pickle.loads(pickle.dumps(error.value))
    assert (again.problems, str(again)) == (error.value.problems, str(error.value))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_keys = st.sampled_from([*LaunchParameters.model_fields, *ALIASES]) | st.text(max_size=12)


@given(st.dictionaries(_keys, _json, max_size=6))
def test_anything_is_loaded_or_refused_with_problems(values):
    try:
        loaded = load(values)
    except BadParameters as error:
        assert error.problems and all(problem.key and problem.expected for problem in error.problems)
    except BadInput as error:  # a character no file can hold
        assert "character" in str(error)
    else:
        again = load_parameters(loaded.document(loaded.parameters), RigConfig({"rig_id": loaded.rig.rig_id}))
        assert again.parameters.model_fields_set == loaded.parameters.model_fields_set


@given(st.sampled_from(sorted(LaunchParameters.model_fields)), _json)
def test_one_bad_value_is_one_problem_at_its_key(key, value):
    try:
        load(WHO | {"script_path": "x.py", key: value})
    except BadParameters as error:
        other = {"script_path", "workflow_path"} if key == "launcher" else set()
        sync = {"session_sync_port", "session_sync_expected_slaves", "session_sync_master_host"}
        for problem in error.problems:
            assert problem.key.startswith(key) or problem.key in other | (sync if key == "session_sync_role" else set())
    except BadInput as error:
        assert "character" in str(error)
