"""Command lines, and the fake Bonsai that says what it was given."""

import json
import os
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.core.errors import BadFile, BadInput
from opticstream.rig.engine import ProcessEngine, bonsai_command, check_bonsai_packages, ensure_bonsai, python_command
from opticstream.rig.engine.bonsai_command import Value

FAKE_BONSAI = """#!{python} -IS
import json, sys
print(json.dumps(sys.argv[1:]))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "my script.py"
    file.write_text(
        "import json, os, sys\nprint(json.dumps([sys.argv[1:], sys.flags.optimize, os.environ['OUTPUT_FOLDER'], os.environ['MORE']]))\n"
    )
    return file


@pytest.fixture
def bonsai(tmp_path: Path) -> Path:
    file = tmp_path / "Bonsai 2.8" / "Bonsai"
    file.parent.mkdir()
    file.write_text(FAKE_BONSAI.format(python=sys.executable))
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    file = tmp_path / "work flow.bonsai"
    file.write_text("<WorkflowBuilder/>")
    return file


def test_python_arguments_go_before_and_after_the_script(script: Path, session: Path) -> None:
    command = python_command(
        script,
        python_args=["-O"],
        python_arguments=["--a", "1"],
        script_arguments=["--b", "two words"],
        session_folder=session,
        env={"MORE": "x"},
    )
    result = ProcessEngine(command).start().wait(30)
    assert result is not None and result.succeeded
    arguments, optimize, folder, more = json.loads(result.output_tail[0])
    assert (arguments, optimize) == (["--a", "1", "--b", "two words"], 1)
    assert (folder, more) == (str(session), "x")


def test_a_virtual_environments_interpreter_is_used(script: Path, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    assert python_command(script, venv=tmp_path / "venv").argv[0] == str(python)
    assert python_command(script, venv=tmp_path / "venv", executable="py -3").argv[0] == "py -3"
    with pytest.raises(BadInput, match="python_venv_path: found no interpreter"):
        python_command(script, venv=tmp_path)


def test_a_script_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"script_path: found no file .*gone\.py"):
        python_command(tmp_path / "gone.py")


@pytest.mark.skipif(os.name == "nt", reason="the fake Bonsai is a script")
def test_bonsai_gets_workflow_properties_arguments_and_root(bonsai: Path, workflow: Path, session: Path) -> None:
    parameters: dict[str, Value] = {
        "Screen_BlueColor (0-1)": 0.5,
        "RecordCameras": True,
        "Debug": False,
        "stimulus_table_path": "stim/table.csv",
        "rig_description_path": "C:/rig.json",
        "PortName": "COM3",
        "Nothing": None,
    }
    command = bonsai_command(
        bonsai, workflow, parameters=parameters, arguments=["--visualizer-layout", "x y"], session_folder=session
    )
    result = ProcessEngine(command).start().wait(30)
    assert result is not None and result.succeeded
    assert json.loads(result.output_tail[0]) == [
        *(str(workflow), "--start", "--no-editor"),
        *("-p", "Screen_BlueColor (0-1)=0.5", "-p", "RecordCameras=true", "-p", "Debug=false"),
        *("-p", f"stimulus_table_path={session / 'stim' / 'table.csv'}", "-p", "rig_description_path=C:/rig.json"),
        *("-p", "PortName=COM3", "--visualizer-layout", "x y", "-p", f"RootFolder={session}"),
    ]


def test_a_root_folder_that_is_given_stays(bonsai: Path, workflow: Path, session: Path) -> None:
    command = bonsai_command(bonsai, workflow, parameters={"RootFolder": "D:/x"}, session_folder=session)
    assert [word for word in command.argv if word.startswith("RootFolder")] == ["RootFolder=D:/x"]


@given(st.dictionaries(st.text(min_size=1).filter(lambda name: "=" not in name), st.text(), max_size=5))
def test_properties_come_back_as_they_went(parameters: dict[str, str]) -> None:
    here = Path(__file__)
    command = bonsai_command(here, here, parameters=dict(parameters))
    words = command.argv[4:]
    assert set(words[::2]) <= {"-p"}
    assert dict(word.split("=", 1) for word in words[1::2]) == parameters


@pytest.mark.parametrize(("name", "value"), [("a=b", 1), ("", 1), ("list", [1])])
def test_properties_that_cannot_be_passed_are_refused(bonsai: Path, workflow: Path, name: str, value: object) -> None:
    with pytest.raises(BadInput, match="script_parameters"):
        bonsai_command(bonsai, workflow, parameters={name: value})  # type: ignore[dict-item]


def test_bonsai_or_workflow_that_are_not_there(bonsai: Path, workflow: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="bonsai_exe_path: found no file"):
        bonsai_command(tmp_path / "gone", workflow)
    with pytest.raises(BadInput, match="script_path: found no file"):
        bonsai_command(bonsai, tmp_path / "gone.bonsai")


def _config(bonsai: Path, packages: str) -> Path:
    file = bonsai.with_name("Bonsai.config")
    file.write_text(f"<PackageConfiguration><Packages>{packages}</Packages></PackageConfiguration>", "utf-8")
    return file


def test_packages_are_compared_with_the_folders(bonsai: Path) -> None:
    for name in ("Bonsai.Core.2.8.0", "Bonsai.Vision.2.7", "bonsai.harp.3.5.0", "Bonsai.Vision.Design.9"):
        (bonsai.parent / "Packages" / name).mkdir(parents=True)
    fine = '<Package id="Bonsai.Core" version="2.8"/><Package id="Bonsai.Harp" version="3.5.0"/>'
    assert check_bonsai_packages(_config(bonsai, fine), bonsai) == []
    wrong = fine + '<Package id="Bonsai.Vision" version="2.8.1"/><Package id="Bonsai.Gone" version="1.0"/>'
    found = check_bonsai_packages(_config(bonsai, wrong), bonsai)
    assert list(map(str, found)) == [
        "Bonsai.Vision: expected 2.8.1, found 2.7",
        "Bonsai.Gone: expected 1.0, found none",
    ]


@pytest.mark.parametrize("text", ["", "<a>", '<x><Packages><Package id="a"/></Packages></x>'])
def test_a_configuration_that_is_none_is_one_error(bonsai: Path, text: str) -> None:
    file = bonsai.with_name("Bonsai.config")
    file.write_text(text)
    with pytest.raises(BadFile, match=r"Bonsai\.config"):
        check_bonsai_packages(file, bonsai)
    with pytest.raises(BadFile, match="No such file"):
        check_bonsai_packages(bonsai.with_name("gone"), bonsai)


@pytest.mark.skipif(os.name == "nt", reason="the set-up script is one of sh")
def test_the_setup_script_brings_bonsai(tmp_path: Path) -> None:
    bonsai, script = tmp_path / "bin" / "Bonsai", tmp_path / "bin" / "setup.sh"
    script.parent.mkdir()
    with pytest.raises(BadInput, match="bonsai_exe_path: found no file"):
        ensure_bonsai(bonsai, None)
    with pytest.raises(BadInput, match="bonsai_setup_script: found no file"):
        ensure_bonsai(bonsai, script)
    script.write_text("echo broken; exit 4")
    with pytest.raises(BadInput, match="exit code 4: broken"):
        ensure_bonsai(bonsai, script)
    script.write_text("true")
    with pytest.raises(BadInput, match="but no Bonsai"):
        ensure_bonsai(bonsai, script)
    script.write_text("sleep 30")
    with pytest.raises(BadInput, match="timed out"):
        ensure_bonsai(bonsai, script, timeout_s=0.2)
    script.write_text("pwd; touch Bonsai")
    ensure_bonsai(bonsai, script)
    ensure_bonsai(bonsai, None)
