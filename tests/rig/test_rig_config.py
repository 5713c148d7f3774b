import json
import os
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.core.errors import BadFile
from opticstream.core.settings import load_settings
from opticstream.rig import RigConfig, load_parameters, load_rig_config
from opticstream.rig.rig_config import first_text, rig_config_place


def test_a_first_file_is_written_at_the_usual_place_and_read_again(home):
    first = load_rig_config()
    assert first.path == home / "rig_config.toml"
    text = first.path.read_text("utf-8")
    assert text.startswith("#") and "{rig_param:KEY}" in text and "output_root_folder" not in tomllib.loads(text)
    first.path.write_text(text.replace("# The name", "COM_port = 'COM3'\n# The name"))
    again = load_rig_config()
    assert (again.rig_id, again.get("COM_port")) == (first.rig_id, "COM3")


def test_validation_writes_nothing(home):
    assert load_rig_config(create=False).values == {}
    assert load_parameters({}, create_rig_config=False).rig.path is None
    assert not home.exists()


def test_the_variable_names_the_file(home, monkeypatch, tmp_path):
    monkeypatch.setenv("OPTICSTREAM_RIG_CONFIG", str(tmp_path / "here" / "rig.toml"))
    assert load_rig_config().path == tmp_path / "here" / "rig.toml"
    assert (tmp_path / "here" / "rig.toml").is_file() and not home.exists()


def test_without_a_home_of_its_own_it_is_the_users_configuration(monkeypatch, tmp_path):
    for name in ("OPTICSTREAM_HOME", "OPTICSTREAM_RIG_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    place = rig_config_place(load_settings())
    assert place.name == "rig_config.toml" and place.parent.name == "opticstream"
    if os.name != "nt":
        assert place == tmp_path / "opticstream" / "rig_config.toml"


def test_a_named_file_must_be_there(tmp_path):
    with pytest.raises(BadFile, match=r"rig\.toml: found No such file"):
        load_rig_config(tmp_path / "rig.toml")
    assert not (tmp_path / "rig.toml").exists()


def test_a_place_that_cannot_be_written_is_a_warning(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("OPTICSTREAM_RIG_CONFIG", str(tmp_path / "file" / "rig.toml"))
    try:
        assert load_rig_config().values == {}
    except BadFile:  # some systems say "not a directory" already when it is read
        return
    assert "could not be written" in caplog.text


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"rig_id = 'a'\nx = = 1\n", r"rig\.toml, line 2, column 5"),
        (b'root = "C:\\data"\n', "Write paths in single quotes"),
        (b"rig_id = 'a'\nx = '\xff'\n", r"rig\.toml, line 2: found byte 0xff"),
        (b"rig_id = 5\n", "rig_id: found 5"),
        (b"rig_id = '  '\n", "rig_id: found '  '"),
        (b"a = 1\na = 2\n", "line 2"),
    ],
)
def test_a_broken_file_stops_the_launch(tmp_path, content, told):
    (tmp_path / "rig.toml").write_bytes(content)
    with pytest.raises(BadFile, match=told):
        load_parameters({}, tmp_path / "rig.toml")


def test_values(tmp_path):
    (tmp_path / "rig.toml").write_bytes(
        "\ufeffrig_id = ' r '\nday = 2026-01-02\n[camera.face]\nms = 5.5\nlist = [1]\n".encode()
    )
    rig = load_rig_config(tmp_path / "rig.toml")
    assert (rig.rig_id, rig.get("camera.face.ms"), rig.get("day")) == ("r", 5.5, "2026-01-02")
    assert rig.get("camera.nose", 3) == 3 and rig.get("camera.face.ms.x") is None
    with pytest.raises(TypeError):
        rig.values["x"] = 1  # type: ignore[index]
    assert json.dumps(dict(rig.values))


@given(st.text(max_size=30))
def test_the_rigs_name_is_always_written_readably(name):
    values = tomllib.loads(first_text(name))
    assert list(values) == ["rig_id"] and RigConfig(values).rig_id
