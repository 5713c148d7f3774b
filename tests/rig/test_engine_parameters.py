import pytest

from opticstream.core.errors import BadInput
from opticstream.rig import LaunchParameters, PipelineEntry, engine_settings, script_file, watch_limits
from opticstream.rig.engine_parameters import CommandSettings


def settings(**keys):
    return engine_settings(LaunchParameters.model_validate(keys))


def test_base_runs_any_command_or_none():
    assert settings(command=["run", "-x"], script_arguments=["y"]) == CommandSettings(("run", "-x", "y"))
    assert settings(script_arguments=["y"]) == CommandSettings(())
    assert settings(launcher="lab.rigs:Mine") == CommandSettings(())


def test_bonsai_takes_the_documented_and_the_real_spellings():
    for keys in ({"workflow_path": "a.bonsai"}, {"launcher": "bonsai", "script_path": "a.bonsai"}):
        found = settings(
            **keys, script_arguments=["--a"], bonsai_args="--b c", script_parameters={"n": 1, "f": 0.5, "t": True}
        )
        assert (found.workflow, found.arguments) == ("a.bonsai", ("--a", "--b", "c"))
        assert found.properties == (("n", "1"), ("f", "0.5"), ("t", "true"))
    assert settings(workflow_path="a", bonsai_max_retries=-1).max_retries is None
    assert settings(workflow_path="a", bonsai_max_retries=2).max_retries == 2
    with pytest.raises(BadInput, match=r"script_parameters\.x: found \[1\]"):
        settings(workflow_path="a", script_parameters={"x": [1]})
    with pytest.raises(BadInput):
        settings(launcher="bonsai")


def test_matlab_rules():
    found = settings(
        launcher="matlab",
        matlab_function="SLAP2_Launcher",
        script_parameters={"a": 1, "b": 2},
        matlab_entrypoint_kwargs={"a": 3, "c": 4},
        matlab_rig_description_path="rig.json",
        matlab_engine_connect_poll_interval_sec=0.01,
        matlab_cancel_timeout_sec=0,
    )
    assert found.arguments == ("execute",)
    assert found.pairs == (("a", 3), ("b", 2), ("c", 4), ("rig_description_path", "rig.json"))
    assert (found.connect_poll_s, found.cancel_timeout_s) == (0.1, 1)
    other = settings(launcher="matlab", script_path=r"C:\x\my_task.m", matlab_session_folder_position=2)
    assert (other.entrypoint, other.arguments, other.session_folder_position) == ("my_task", (), 2)
    assert settings(launcher="matlab", matlab_entrypoint_args=["execute", "resume"]).enable_resume is False


def test_limits_are_off_by_default():
    limits = watch_limits(LaunchParameters())
    assert not limits.stop_on_stderr and limits.stop_timeout_s == 5
    assert {
        limits.start_timeout_s,
        limits.no_output_timeout_s,
        limits.memory_limit_mb,
        limits.minimum_free_disk_gb,
    } == {0}


def test_a_script_is_looked_for_in_the_repository_then_here(tmp_path, monkeypatch):
    (tmp_path / "repo" / "code").mkdir(parents=True)
    (tmp_path / "repo" / "code" / "a.py").touch()
    (tmp_path / "b.py").touch()
    monkeypatch.chdir(tmp_path)
    for name, found in (("code/a.py", "repo/code/a.py"), ("b.py", "b.py"), (str(tmp_path / "b.py"), "b.py")):
        assert script_file(LaunchParameters(script_path=name), tmp_path / "repo") == tmp_path / found
    with pytest.raises(BadInput, match=r"script_path: found c\.py; expected a file: .*repo/c\.py or "):
        script_file(LaunchParameters(script_path="c.py"), tmp_path / "repo")
    with pytest.raises(BadInput, match="workflow_path"):
        script_file(LaunchParameters(workflow_path="c"), None)


ENTRIES = [
    ("name", {"module_path": "name"}),
    ({"module_path": "x", "failure_policy": "Abort"}, {"on_failure": "abort"}),
    ({"module_path": "x", "fail_policy": "prompt"}, {"on_failure": "prompt"}),
    ({"module_path": "x", "fail_action": "continue"}, {"on_failure": "continue"}),
    ({"module_path": "x", "abort_on_fail": True}, {"on_failure": "abort"}),
    ({"module_path": "x", "abort_on_fail": False}, {"on_failure": None}),
    (
        {"module_path": "x", "run": "always", "retries": 2, "retry_delay": 1, "timeout": 30},
        {"timeout_sec": 30.0, "retries": 2},
    ),
    ({"module_type": "script_module", "module_path": r"a\b\c.py"}, {"name": "c"}),
    ({"module_path": "x", "module_parameters": None, "module_type": None}, {"module_type": "launcher_module"}),
    (
        {"type": "repo_module", "repo_relative_path": "a/b.py", "fail_action": "abort"},
        {"name": "b", "on_failure": "abort"},
    ),
]


@pytest.mark.parametrize(("entry", "expected"), ENTRIES)
def test_every_form_of_an_entry(entry, expected):
    (found,) = LaunchParameters(pre_acquisition_pipeline=[entry]).pre_acquisition_pipeline
    assert isinstance(found, PipelineEntry)
    assert {key: getattr(found, key) for key in expected} == expected


@pytest.mark.parametrize(
    "entry",
    [
        "",
        5,
        {},
        {"module_path": ""},
        {"module_path": "x", "on_failure": "stop"},
        {"module_path": "x", "on_failure": True},
        {"module_path": "x", "on_failure": "abort", "fail_action": "continue"},
        {"module_path": "x", "abort_on_fail": True, "on_failure": "continue"},
        {"module_path": "x", "run": "never"},
        {"module_path": "x", "module_type": "plugin"},
        {"module_path": "x", "module_parameters": [1]},
        {"module_path": "x", "module_parameters": {"function": 5}},
        {"module_path": "x", "timeout": -1},
        {"module_path": "x", "retries": True},
    ],
)
def test_entries_that_are_refused(entry):
    with pytest.raises(ValueError, match="pipeline"):
        LaunchParameters(pre_acquisition_pipeline=[entry])
