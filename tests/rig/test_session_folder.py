"""Folders that no two sessions share, names that are folders everywhere, and who runs a session."""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.core.errors import BadInput, WriteFailed
from opticstream.core.process_identity import ProcessIdentity, process_birth, this_process
from opticstream.rig import create_session_folder, open_session_folder, safe_name, session_locks
from opticstream.rig.session_lock import SessionLock, read_lock
from opticstream.rig.session_name import session_name
from support.parallel import in_parallel
from support.unprivileged import folder_of_nobody

ME = this_process("here")
START = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 (local time)


def test_a_session_gets_its_folder_with_metadata_and_lock(tmp_path):
    with create_session_folder(tmp_path / "deep" / "root", "m 1", ME, now=START) as session:
        assert session.path == tmp_path / "deep" / "root" / "m_1_2026-01-02_03-04-05"
        assert session.metadata == session.path / "launcher_metadata"
        lock = json.loads((session.metadata / "session_lock.json").read_text())
        assert (lock["pid"], lock["host"], lock["process_birth"]) == (os.getpid(), "here", process_birth(os.getpid()))
        assert lock["locked_at"].endswith("Z") and lock["released_at"] is None
        assert session_locks(session.path)["launcher_metadata"].is_live("here") is True
    assert session_locks(session.path)["launcher_metadata"].is_live("here") is False


def test_the_same_second_gives_the_next_free_name(tmp_path):
    names = [create_session_folder(tmp_path, "m", ME, now=START).name for _ in range(3)]
    assert names == ["m_2026-01-02_03-04-05", "m_2026-01-02_03-04-06", "m_2026-01-02_03-04-07"]


def test_threads_get_folders_of_their_own(tmp_path):
    sessions = in_parallel(8, lambda _: create_session_folder(tmp_path, "m", ME, now=START))
    assert len({session.path for session in sessions}) == 8


_CHILD = """
import sys
from datetime import datetime
from pathlib import Path
from opticstream.core.process_identity import this_process
from opticstream.rig.session_folder import create_session_folder
sys.stdin.readline()
for _ in range(20):
    print(create_session_folder(Path(sys.argv[1]), "m", this_process("h"), now=datetime(2026, 1, 2)).path)
"""


def test_two_processes_in_one_second_get_folders_of_their_own(tmp_path):
    command = [sys.executable, "-c", _CHILD, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    children = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    found = [child.communicate(timeout=60)[0].split() for child in children]
    assert [len(paths) for paths in found] == [20, 20]
    assert not set(found[0]) & set(found[1])
    assert {str(path) for path in tmp_path.iterdir()} == {*found[0], *found[1]}


def test_a_given_name_is_taken_once(tmp_path):
    session = create_session_folder(tmp_path, "m", ME, name="agreed name")
    assert session.name == "agreed_name"
    for node in (None, "rig"):
        with pytest.raises(BadInput, match="agreed_name: found a file or folder of that name"):
            create_session_folder(tmp_path, "m", ME, name="agreed name", node=node)
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="file or folder"):
        create_session_folder(tmp_path, "m", ME, name="file", node="rig")


def test_launchers_that_agreed_on_a_name_share_its_folder(tmp_path):
    sessions = in_parallel(3, lambda i: create_session_folder(tmp_path, "m", ME, name="agreed", node=f"node {i}"))
    assert {session.path for session in sessions} == {tmp_path / "agreed"}
    assert len({session.metadata for session in sessions}) == 3
    assert sorted(record.node for record in session_locks(tmp_path / "agreed").values()) == [
        "node 0",
        "node 1",
        "node 2",
    ]
    sessions[0].release()
    # The same launcher again is another session; or another launcher on this computer, with the same default name.
    with pytest.raises(BadInput, match="session_sync_node_name"):
        create_session_folder(tmp_path, "m", ME, name="agreed", node="node 0")


def test_who_makes_the_shared_folder_may_stand_still_before_its_lock(tmp_path, monkeypatch):
    metadata = tmp_path / "agreed" / "launcher_metadata"
    metadata.mkdir(parents=True)
    slept: list[float] = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 4:
            SessionLock.take(metadata, ME, node="stage")

    clock = SimpleNamespace(monotonic=lambda: 5.0 * len(slept), sleep=sleep)
    monkeypatch.setattr("opticstream.rig.session_folder.time", clock)
    with create_session_folder(tmp_path, "m", ME, name="agreed", node="camera") as session:
        assert session.path == metadata.parent and session.metadata.name == "launcher_metadata_camera"


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", r"..\evil", "C:\\evil", "a/../../b", ".", ".."])
def test_no_name_leads_out_of_the_root(tmp_path, name):
    root = tmp_path / "root"
    try:
        path = create_session_folder(root, "m", ME, name=name).path
    except BadInput as error:
        assert "letters or digits" in str(error)
    else:
        assert path.parent == root
    assert [child.name for child in tmp_path.iterdir()] == ["root"]
    assert create_session_folder(root, f"x{name}", ME, now=START).path.parent == root


@pytest.mark.skipif(os.name == "nt", reason="these are its paths")
@pytest.mark.parametrize("root", ["D:/OpenScopeData", "C:\\data", r"\\server\share", "D:"])
def test_a_windows_root_makes_no_folder_elsewhere(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=r"a Windows path.*--set output_root_folder="):
        create_session_folder(Path(root), "m", ME)
    assert list(tmp_path.iterdir()) == []


def test_a_root_that_cannot_be_written():
    with folder_of_nobody() as folder:
        (folder / "root").mkdir()
        (folder / "root").chmod(0o500)
        with pytest.raises(WriteFailed, match="Permission denied"):
            create_session_folder(folder / "root", "m", ME)
        (folder / "file").touch()
        with pytest.raises(WriteFailed, match=r"file"):
            create_session_folder(folder / "file", "m", ME)


def test_a_dead_launchers_session_is_taken_over_and_a_live_ones_is_not(tmp_path):
    session = create_session_folder(tmp_path, "m", ProcessIdentity("here", os.getpid(), "another life"))
    other = ProcessIdentity("elsewhere", 1, "x")
    with pytest.raises(BadInput, match=r"a session that here:\d+ runs.*Delete session_lock.json there"):
        open_session_folder(session.path, other)
    with open_session_folder(session.path, ME) as taken:
        assert taken.lock.path.name == "session_lock.2.json"
        with pytest.raises(BadInput, match="a session that here"):
            open_session_folder(session.path, ME)
    assert read_lock(session.metadata).released_at
    assert open_session_folder(session.path, other).lock.path.name == "session_lock.3.json"
    with pytest.raises(BadInput, match="a folder without launcher_metadata"):
        open_session_folder(tmp_path, ME)


def test_of_many_that_take_over_one_wins(tmp_path):
    session = create_session_folder(tmp_path, "m", ProcessIdentity("here", 1, "another life"))
    taken, lost = [], []

    def take(_):
        try:
            taken.append(SessionLock.take(session.metadata, ME))
        except BadInput as error:
            lost.append(error)

    in_parallel(8, take)
    assert (len(taken), len(lost)) == (1, 7)
    assert [path.name for path in session.metadata.iterdir() if path.name.endswith(".tmp")] == []


def test_a_lock_that_cannot_be_read_is_not_taken(tmp_path):
    session = create_session_folder(tmp_path, "m", ME)
    session.release()
    session.lock.path.write_text("{")
    with pytest.raises(BadInput, match="a lock that cannot be read"):
        open_session_folder(session.path, ME)


NAMES = {
    "m1": "m1",
    " m 1 ": "m_1",
    "a:b*c?": "a_b_c_",
    "CON": "_CON",
    "nul.txt": "_nul.txt",
    "com¹": "_com¹",
    "COM10": "COM10",
    "console": "console",
    "..x..": "x",
    "Übung": "Übung",
    "a" * 300: "a" * 120,
    "ü" * 300: "ü" * 100,
    "x" * 119 + "..": "x" * 119,
}


@pytest.mark.parametrize(("text", "name"), NAMES.items())
def test_names(text, name):
    assert safe_name(text) == name


@pytest.mark.parametrize("text", ["", " ", "..", "___", "/"])
def test_names_that_say_nothing(text):
    with pytest.raises(BadInput):
        safe_name(text)
    with pytest.raises(BadInput, match="subject_id"):
        session_name(text, START)


@given(st.text(max_size=200) | st.sampled_from(["con", "LPT1.", "aux.x", "prn "]))
def test_every_name_is_one_folder_everywhere(text):
    try:
        name = safe_name(text)
    except BadInput:
        return
    assert safe_name(name) == name
    assert 0 < len(name) <= 120 and len(name.encode()) <= 200
    assert not set(name) & set('<>:"/\\|?* \0') and name.isprintable()
    assert name.strip(". ") == name
    assert Path(name).name == name
    assert name.partition(".")[0].upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT1"}
    assert session_name(text, START).endswith("_2026-01-02_03-04-05")
    assert safe_name(session_name(text, START)) == session_name(text, START)
