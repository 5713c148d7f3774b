"""Parameter files as labs have them, and one with every fault."""

import json

import pytest
from pydantic import ValidationError

from opticstream.core.errors import BadFile
from opticstream.rig import BadParameters, LaunchParameters, engine_settings, load_parameters
from opticstream.rig.engine_parameters import BonsaiSettings, CommandSettings, MatlabSettings, PythonSettings


def test_the_documents_snippet_for_session_sync(files, rig):
    loaded = load_parameters(files / "document_sync_snippet.json", rig)
    found = loaded.parameters
    assert (found.subject_id, found.user_id, found.launcher, found.sync_role) == (
        "mouse123",
        "tester",
        "base",
        "master",
    )
    assert (found.session_sync_port, found.session_sync_expected_slaves) == (47001, 2)
    assert found.session_sync_key_param == "subject_id" and found.session_sync_name_param == "session_uuid"
    waits = found.session_sync_timeout_sec, found.session_sync_ack_timeout_sec, found.session_sync_retry_delay_sec
    assert waits == (120, 30, 1)
    assert loaded.warnings == loaded.unanswered == ()


def test_the_documents_example(files, rig):
    loaded = load_parameters(files / "document_example.json", rig)
    found = loaded.parameters
    assert found.launcher == "bonsai" and found.program_path == "C:/Workflows/my_experiment.bonsai"
    assert found.output_root_folder == "D:/OpenScopeData" and found.resource_log_interval == 5
    assert [entry.name for entry in found.pre_acquisition_pipeline] == ["mouse_weight_pre_prompt"]
    assert found.pre_acquisition_pipeline[0].policy("pre_acquisition") == "abort"
    assert found.post_acquisition_pipeline[0].policy("post_acquisition") == "continue"
    assert loaded.warnings == ()


def test_a_bonsai_masters_file_with_byte_order_mark(files, rig, tmp_path):
    loaded = load_parameters(files / "bonsai_master.json", rig)
    assert loaded.unanswered == ("subject_id", "user_id")
    assert loaded.warnings == ()
    assert loaded.raw.startswith(b"\xef\xbb\xbf")
    with pytest.raises(BadParameters, match="subject_id: found nothing"):
        loaded.resolve("x", tmp_path)

    loaded = load_parameters(files / "bonsai_master.json", rig, answers={"subject_id": "m1", "user_id": "me"})
    found, warnings = loaded.resolve("m1_2026-01-02_03-04-05", tmp_path / "s")
    assert warnings == ()
    values = found.script_parameters
    assert values["stimulus_table_path"] == f"{tmp_path / 's'}\\table.csv"
    assert (values["PortName"], values["RecordCameras"], values["DisplayDeviceIndex"]) == ("COM3", True, 1)
    assert values["SessionPathOverride"] == str(tmp_path / "s") == found.get("session_folder")
    archive = found.post_acquisition_pipeline[0].module_parameters
    assert archive["network_dir"] == r"\\server\share$\Data\m1\m1_2026-01-02_03-04-05\behavior"
    assert archive["backup_dir"] == r"C:/LabData\Archive\m1_2026-01-02_03-04-05"
    table = found.pre_acquisition_pipeline[0]
    assert (table.name, table.function, table.on_failure) == ("make_table", "make_table", "abort")
    assert table.function_args["seed"] == 42

    engine = engine_settings(found)
    assert isinstance(engine, BonsaiSettings)
    assert (engine.workflow, engine.executable) == ("code/src/oddball.bonsai", "code/bonsai/Bonsai.exe")
    assert ("RecordCameras", "true") in engine.properties
    assert ("Screen_BlueColor (0-1)", "0.5") in engine.properties
    assert engine.max_retries is None and engine.fail_on_stderr


def test_a_matlab_slaves_file_with_legacy_keys(files, rig):
    loaded = load_parameters(files / "matlab_slave.json", rig, answers={"subject_id": "m", "user_id": "u"})
    found = loaded.parameters
    assert found.sync_role == "slave" and found.session_sync_master_host == "10.0.0.5"
    assert found.post_acquisition_pipeline[0].on_failure == "continue"
    engine = engine_settings(found)
    assert isinstance(engine, MatlabSettings)
    assert (engine.entrypoint, engine.arguments) == ("slap2_launcher", ("execute",))
    assert engine.pairs == (("rig_description_path", "C:/Users/scope/configuration.json"),)
    assert engine.session_folder_position == "prepend" and engine.enable_resume and engine.keep_alive
    assert (engine.connect_timeout_s, engine.connect_poll_s, engine.cancel_timeout_s) == (120, 1, 15)
    assert loaded.warnings == ()


def test_a_minimal_base_file_runs_no_command(files, rig):
    loaded = load_parameters(files / "base_minimal.json", rig)
    assert loaded.parameters.subject_id == "816212" and loaded.parameters.protocol_id == ["protocol_001"]
    assert engine_settings(loaded.parameters) == CommandSettings(())
    assert [w for w in loaded.warnings if "script_path" in w] == list(loaded.warnings)


def test_the_oldest_spellings(files, rig, tmp_path):
    loaded = load_parameters(files / "legacy.json", rig)
    found, _ = loaded.resolve("n", tmp_path)
    assert (found.subject_id, found.output_root_folder, found.launcher) == ("m7", "D:\\Data", "bonsai")
    assert found.script_parameters == {"Path": "D:\\Data", "ValveOpenTime": 0.03}
    entry = found.pre_acquisition_pipeline[0]
    assert (entry.module_type, entry.name, entry.function) == ("script_module", "setup", "main")
    assert entry.function_args == {"n": 3}
    document = loaded.document(found)
    assert document["mouse_id"] == document["subject_id"] == "m7"
    assert document["OutputFolder"] == document["output_root_folder"]


def test_python_arguments_stand_where_the_document_says(files, rig, tmp_path):
    found, _ = load_parameters(files / "python_zmq.json", rig).resolve("n", tmp_path)
    engine = engine_settings(found)
    assert engine == PythonSettings(
        script="task.py",
        executable="C:/Python/python.exe",
        venv=None,
        options=("-X", "utf8"),
        arguments=("--trials", "5", "--out", str(tmp_path)),
    )


FAULTS = {
    "subject_id": "one of them",
    "user_id": "text",
    "launcher": "base, bonsai, matlab, python",
    "launcher_version": "0.2.57",
    "output_root_folder": "a key of the rig configuration; it has: COM_port",
    "resource_log_interval": "at least 0",
    "script_parameters": "an object",
    "session_sync_port": "at most 65535",
    "session_sync_timeout_sec": "more than 0",
    "session_sync_expected_slaves": "session_sync_role is master",
    "pre_acquisition_pipeline[0].on_failure": "'continue', 'abort' or 'prompt'",
    "pre_acquisition_pipeline[0].retries": "at least 0",
    "pre_acquisition_pipeline[1].module_path": "a value",
    "pre_acquisition_pipeline[2]": "the name of a module",
    "post_acquisition_pipeline": "a list",
}


def test_every_fault_of_a_broken_file_is_told_at_once(files, rig):
    with pytest.raises(BadParameters) as error:
        load_parameters(files / "broken.json", rig)
    assert {problem.key for problem in error.value.problems} == set(FAULTS)
    for problem in error.value.problems:
        assert FAULTS[problem.key] in problem.expected
    assert error.value.where.endswith("broken.json")
    assert "15 problems" in str(error.value) and "found 99999; expected at most 65535" in str(error.value)
    assert "\n  pre_acquisition_pipeline[0].on_failure: found 'explode'" in str(error.value)


def test_the_form_has_a_description_for_every_key():
    schema = LaunchParameters.model_json_schema()
    assert [key for key, field in schema["properties"].items() if not field.get("description")] == []
    assert next(iter(schema["properties"])) == "subject_id"
    assert json.dumps(schema)
    with pytest.raises(ValidationError):
        LaunchParameters(session_sync_port="x")


def test_a_file_that_is_not_there(tmp_path, rig):
    with pytest.raises(BadFile, match=r"nowhere\.json: found No such file"):
        load_parameters(tmp_path / "nowhere.json", rig)
