"""The state file: shared, moved, broken, locked, killed."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opticstream.core.errors import BadFile
from opticstream.rig.session_state import SessionStateMixin, SessionStateStore
from support.kills import campaign_chance
from support.unprivileged import folder_of_nobody


class Launcher(SessionStateMixin):
    def __init__(self, **values: object) -> None:
        vars(self).update(values)


class Other(Launcher):
    pass


def moved_class(name: str, module: str) -> type[Launcher]:
    return type(name, (Launcher,), {"__module__": module})


def read(folder: Path) -> dict[str, dict[str, dict[str, object]]]:
    found: dict[str, dict[str, dict[str, object]]] = json.loads((folder / "session_state.json").read_text("utf-8"))
    return found


def test_several_launchers_share_a_file_and_what_is_unknown_is_kept(tmp_path):
    Launcher(a=1).save_session_state(tmp_path)
    document = read(tmp_path) | {"version": "2.7", "colour": "blue"}
    document["launcher_states"]["other.module.Thing"] = {"attributes": {"x": 1}, "saved_at": "?", "more": [1]}
    (tmp_path / "session_state.json").write_text(json.dumps(document))
    Other(b=2).save_session_state(tmp_path)
    Launcher(a=3).save_session_state(tmp_path)
    after = read(tmp_path)
    assert (after["version"], after["colour"], after["created_at"]) == ("2.7", "blue", document["created_at"])
    assert after["launcher_states"]["other.module.Thing"] == {"attributes": {"x": 1}, "saved_at": "?", "more": [1]}
    one, two = Launcher(a=0), Other(b=0)
    assert one.load_session_state(tmp_path) and two.load_session_state(tmp_path)
    assert (one.a, two.b) == (3, 2) and not hasattr(one, "b")


def test_a_class_that_moved_is_found_by_its_name_newest_first(tmp_path):
    for module, value, saved in (
        ("old.place", 1, "2025-01-01T00:00:00"),
        ("new.place", 2, "2026-01-01T00:00:00+00:00"),
    ):
        moved_class("Rig", module)(value=value).save_session_state(tmp_path)
        document = read(tmp_path)
        document["launcher_states"][f"{module}.Rig"]["saved_at"] = saved
        (tmp_path / "session_state.json").write_text(json.dumps(document))
    here = moved_class("Rig", "third.place")(value=0)
    assert here.load_session_state(tmp_path) and here.value == 2
    assert not moved_class("Big", "third.place")().load_session_state(tmp_path)
    own = moved_class("Rig", "old.place")(value=0)
    assert own.load_session_state(tmp_path) and own.value == 1, "its own namespace comes first"


def test_info_and_clear(tmp_path):
    launcher, other = Launcher(a=1, b=2), Other(c=3)
    assert launcher.get_session_state_info(tmp_path) is None and launcher.clear_session_state(tmp_path)
    launcher.save_session_state(tmp_path)
    other.save_session_state(str(tmp_path))
    info = launcher.get_session_state_info(tmp_path)
    assert (info["version"], info["launcher_class"]) == ("1.0.0", "Other")
    assert [state["attributes"] for state in info["launcher_states"].values()] == [["a", "b"], ["c"]]
    assert launcher.clear_session_state(tmp_path) and launcher.clear_session_state(tmp_path)
    assert not launcher.load_session_state(tmp_path) and other.load_session_state(tmp_path)
    assert other.clear_session_state(tmp_path) and not (tmp_path / "session_state.json").exists()
    assert SessionStateStore(tmp_path).remove_all() is False


def test_a_missing_folder(tmp_path):
    assert not Launcher().load_session_state(tmp_path / "none")
    assert Launcher().get_session_state_info(tmp_path / "none") is None
    assert Launcher(a=1).save_session_state(tmp_path / "made") and (tmp_path / "made" / "session_state.json").is_file()


BROKEN = [b"", b"[]", b"{}", b"null", b'{"launcher_states": []}', b'{"launcher_states": {"a', b"\xff\xfe", b"\0" * 50]
BROKEN += [b"\xef\xbb\xbf{}", b"[" * 100_000, b"9" * 5000]


@pytest.mark.parametrize("data", BROKEN, ids=lambda data: repr(data[:12]))
def test_a_broken_file_is_never_restored_and_never_overwritten(tmp_path, data):
    path = tmp_path / "session_state.json"
    path.write_bytes(data)
    launcher = Launcher(a=1)
    assert not launcher.load_session_state(tmp_path)
    assert launcher.get_session_state_info(tmp_path) is None
    assert not launcher.clear_session_state(tmp_path) and path.read_bytes() == data
    assert launcher.save_session_state(tmp_path)
    (aside,) = tmp_path.glob("session_state.json.corrupt-*")
    assert aside.read_bytes() == data
    assert Launcher().load_session_state(tmp_path)


@pytest.mark.parametrize(
    "state", [None, [], 7, {}, {"attributes": []}, {"attributes": None}, {"attributes": {"a": {"$type": "dict"}}}]
)
def test_a_namespace_of_another_shape_is_not_restored(tmp_path, state):
    Launcher(a=1).save_session_state(tmp_path)
    document = read(tmp_path)
    document["launcher_states"] = dict.fromkeys(document["launcher_states"], state)
    (tmp_path / "session_state.json").write_text(json.dumps(document))
    launcher = Launcher(a=9)
    restored = launcher.load_session_state(tmp_path)
    assert launcher.a == 9 and restored == (isinstance(state, dict) and isinstance(state.get("attributes"), dict))
    assert launcher.get_session_state_info(tmp_path) is not None
    assert launcher.save_session_state(tmp_path)


def test_where_nobody_may_write_saving_says_so(tmp_path, caplog):
    Launcher(a=1).save_session_state(tmp_path)
    (tmp_path / "file").write_text("x")
    assert not Launcher(a=2).save_session_state(tmp_path / "file")
    (tmp_path / "taken" / "session_state.json").mkdir(parents=True)
    assert not Launcher(a=2).save_session_state(tmp_path / "taken")
    assert not Launcher(a=2).load_session_state(tmp_path / "taken")
    assert "session state not saved" in caplog.text
    assert (tmp_path / "taken" / "session_state.json").is_dir()


def fuzz(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(changed))
        match chance.randrange(4):
            case 0:
                changed[place] = chance.randrange(256)
            case 1:
                del changed[place : place + chance.randint(1, 20)]
            case 2:
                changed[place:place] = chance.choice([b"{", b"]", b'"', b"\\", b"null", b'{"$type":"enum"}', b"1e999"])
            case _:
                del changed[place:]
        if not changed:
            return b""
    return bytes(changed)


def fuzzed(folder: Path, rounds: int, chance: random.Random) -> None:
    import numpy

    values = {"n": 3, "text": "ü", "deep": {"a": [1, {2: (3,)}], "t": (1, {2})}, "f": float("nan"), "b": b"bytes"}
    values |= {"array": numpy.arange(4.0), "path": Path("a"), "big": 1 << 2000}
    Launcher(**values).save_session_state(folder)
    path = folder / "session_state.json"
    whole = path.read_bytes()
    for _ in range(rounds):
        path.write_bytes(fuzz(whole, chance))
        launcher = Launcher(n=0, text="", own=1)
        before = dict(vars(launcher))
        restored = launcher.load_session_state(folder)
        assert restored or vars(launcher) == before
        assert launcher.own == 1 or restored
        launcher.get_session_state_info(folder)
        assert launcher.save_session_state(folder)
    for aside in folder.glob("*.corrupt-*"):
        aside.unlink()


def test_fuzzed_files_never_raise(tmp_path):
    fuzzed(tmp_path, 200, random.Random(7))


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_many_fuzzed_files_never_raise(tmp_path):
    chance = campaign_chance()
    for _ in range(100):
        fuzzed(tmp_path, 400, chance)


WRITER = """
import sys
from opticstream.rig.session_state import SessionStateMixin
class Launcher(SessionStateMixin):
    pass
Launcher.__module__, Launcher.__qualname__ = "writers", sys.argv[2]
launcher = Launcher()
number = int(sys.argv[3])
print("ready", flush=True)
while True:
    number += 1
    launcher.number, launcher.text = number, str(number) * 20_000
    assert launcher.save_session_state(sys.argv[1])
    print(number, flush=True)
"""


def writer(folder: Path, name: str, number: int) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), name, str(number)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


def killed_while_saving(folder: Path, kills: int, chance: random.Random) -> None:
    number = 0
    for _ in range(kills):
        with writer(folder, "W", number) as process:
            assert process.stdout
            time.sleep(chance.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
            said = [int(line) for line in process.stdout.read().split("\n") if line.endswith(tuple("0123456789"))]
        if not (folder / "session_state.json").exists():
            assert not said
            continue
        attributes = read(folder)["launcher_states"]["writers.W"]["attributes"]
        found = attributes["number"]
        assert attributes["text"] == str(found) * 20_000
        assert found >= (said[-1] if said else number), "what was said to be saved is there"
        number = found
    assert Other(x=1).save_session_state(folder)
    assert not list(folder.glob(".*.tmp")), "what a killed writer left is cleaned up"
    assert not list(folder.glob("*.corrupt-*"))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_killed_while_saving_the_file_is_the_old_or_the_new_one(tmp_path):
    killed_while_saving(tmp_path, 50, random.Random(3))


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_killed_five_hundred_times(tmp_path):
    killed_while_saving(tmp_path, 500, campaign_chance())


def test_two_processes_that_save_at_once_both_survive(tmp_path):
    with writer(tmp_path, "A", 0) as one, writer(tmp_path, "B", 0) as two:
        for process in (one, two):
            assert process.stdout
            assert [int(process.stdout.readline()) for _ in range(40)] == list(range(1, 41))
        states = read(tmp_path)["launcher_states"]
        assert set(states) == {"writers.A", "writers.B"}
        assert all(state["attributes"]["number"] >= 40 for state in states.values())
        for process in (one, two):
            process.kill()
    assert not list(tmp_path.glob("*.corrupt-*"))


def test_the_store_says_what_is_wrong(tmp_path):
    (tmp_path / "session_state.json").write_text("{")
    with pytest.raises(BadFile, match=r"session_state.json: found what is not JSON"):
        SessionStateStore(tmp_path).read()


def test_an_unreadable_file_is_left_alone():
    with folder_of_nobody() as folder:
        Launcher(a=1).save_session_state(folder)
        path = folder / "session_state.json"
        path.chmod(0)
        assert not Launcher(a=2).save_session_state(folder)
        path.chmod(0o600)
        assert not list(folder.glob("*.corrupt-*")) and Launcher().load_session_state(folder)
