"""The ``session_sync_*`` parameters, and names that are folders."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.core.errors import BadInput
from opticstream.rig.sync import clean_session_name, is_clean_session_name, read_sync_settings, run_master, run_slave
from support.old_sync import Running
from support.repository import ROOT

MASTER = {"subject_id": "mouse123", "session_sync_role": "master", "session_sync_port": 47001}
MASTER |= {"session_sync_expected_slaves": 2, "user_id": "tester"}
SLAVE = {"subject_id": "mouse123", "session_sync_role": "slave", "session_sync_port": 47001}
SLAVE |= {"session_sync_master_host": "stage"}


def read(parameters, **environment):
    return read_sync_settings(parameters, environment)


def test_the_documents_snippet_and_its_defaults():
    found = read(MASTER)
    assert (found.role, found.port, found.expected_slaves, found.session_key) == ("master", 47001, 2, "mouse123")
    assert (found.timeout_sec, found.ack_timeout_sec, found.retry_delay_sec) == (120, 30, 1)
    assert found.bind_host == "127.0.0.1" and found.session_name is None and not found.allow_bypass
    assert found.node_name


@pytest.mark.parametrize("role", [None, "", "disabled", "NONE", "observer", 7, True])
def test_any_other_role_switches_it_off(role, caplog):
    caplog.set_level(logging.INFO)
    assert read({"session_sync_role": role, "session_sync_port": -1}) is None
    assert ("session sync is off" in caplog.text) == (role in ("observer", 7, True))


def test_the_old_name_of_the_role_and_any_case():
    assert read({**SLAVE, "session_sync_role": None, "session_sync_mode": " Slave "}).role == "slave"
    assert read({**SLAVE, "session_sync_role": "none", "session_sync_mode": "slave"}) is None


def test_key_and_name_come_from_the_parameters_that_are_named():
    more = {"session_sync_key_param": "cage", "cage": 17, "session_uuid": "u", "session_sync_name_param": "label"}
    assert (read({**MASTER, **more}).session_key, read({**MASTER, **more}).session_name) == ("17", None)
    assert read({**MASTER, "session_uuid": "u"}).session_name == "u"
    assert read({**MASTER, "session_uuid": "u", "session_sync_session_name": "n"}).session_name == "n"
    assert read({**SLAVE, "session_sync_session_key": "x"}).session_key == "x"


def test_every_problem_is_said_at_once():
    wrong = {"session_sync_role": "master", "session_sync_timeout_sec": 0, "session_sync_ack_timeout_sec": "soon"}
    wrong |= {"session_sync_expected_slaves": -1, "session_sync_secret": ["hunter2"], "session_sync_allow_bypass": "?"}
    with pytest.raises(BadInput) as refused:
        read(wrong)
    text = str(refused.value)
    for key in ("port is missing", "session_key is missing (neither it nor 'subject_id'", "timeout_sec", "expected"):
        assert f"session_sync_{key}" in text
    assert "ack_timeout_sec" in text and "allow_bypass" in text and "hunter2" not in text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("port", 0),
        ("port", 70_000),
        ("port", True),
        ("port", "http"),
        ("expected_slaves", 0),
        ("expected_slaves", 1.5),
        ("timeout_sec", float("nan")),
        ("timeout_sec", float("inf")),
        ("ack_timeout_sec", -3),
        ("node_name", "  "),
        ("secret", ""),
    ],
)
def test_one_bad_value_is_named(key, value):
    with pytest.raises(BadInput, match=f"session_sync_{key}"):
        read({**MASTER, f"session_sync_{key}": value})


def test_what_only_the_other_role_needs_is_not_looked_at():
    assert read({**SLAVE, "session_sync_expected_slaves": -1}).expected_slaves is None
    with pytest.raises(BadInput, match="session_sync_master_host is missing"):
        read({**SLAVE, "session_sync_master_host": ""})


def test_the_secret_may_stand_in_the_environment_and_is_never_shown():
    found = read(MASTER, OPTICSTREAM_SESSION_SYNC_SECRET="hunter2")
    assert found.secret.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(found) + found.model_dump_json()
    assert read(MASTER, OPTICSTREAM_SESSION_SYNC_SECRET="").secret is None


def test_the_example_files_work_as_they_stand():
    both = [
        json.loads((ROOT / "params" / f"session_sync_{role}_example.json").read_text("utf-8"))
        for role in ("master", "slave")
    ]
    assert both[0]["output_root_folder"] != both[1]["output_root_folder"]
    settings = [read(parameters) for parameters in both]
    assert settings[0].bind_host == settings[1].master_host == "127.0.0.1"
    assert settings[0].port == settings[1].port > 50_000 and settings[0].session_key == settings[1].session_key
    master = Running(lambda: run_master(settings[0], "agreed"))
    assert run_slave(settings[1]).session_name == master.done().session_name == "agreed"


@given(st.text(max_size=80))
def test_a_clean_name_is_one_folder_below_the_root(text):
    try:
        name = clean_session_name(text)
    except BadInput:
        assert not is_clean_session_name(text)
        return
    assert clean_session_name(name) == name and is_clean_session_name(name)
    assert not set(name) & set('/\\:*?"<>|\0\n') and name not in (".", "..") and len(name.encode()) <= 200
    assert name.isprintable() or " " in name or "\u00a0" in name or name.strip() == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mouse123_2026-01-02_03-04-05", "mouse123_2026-01-02_03-04-05"),
        ("Maus 7, rechts 脳", "Maus 7, rechts 脳"),
        ("../../evil", ".._.._evil"),
        ("C:\\data", "C__data"),
        ("con", "_con"),
        ("LPT1.txt", "_LPT1.txt"),
        ("name. . ", "name"),
        ("é" * 150, "é" * 100),
    ],
)
def test_cleaning(text, name):
    assert clean_session_name(text) == name


@pytest.mark.parametrize("text", ["", "..", " . ", "..."])
def test_nothing_left(text):
    with pytest.raises(BadInput, match="session name"):
        clean_session_name(text)
