"""Raw data go only as planned, only when unchanged, and a crash on the way changes nothing about the end."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opticstream.core.errors import BadFile, BadInput, WriteFailed
from opticstream.imaging.archive import list_folder
from opticstream.imaging.raw_cleanup import CleanupPlan, carry_out, plan_cleanup
from support.kills import campaign_chance
from support.raw_folder import raw_folder
from support.unprivileged import folder_of_nobody
from support.waiting import until

FILE = "1000000000spool.dat"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return raw_folder(tmp_path / "Run1 (β)", size=1000)


def states(folder: Path, ending: str = "") -> dict[str, tuple[int, int]]:
    return {path: tuple(state) for path, state in list_folder(folder).files.items() if path.endswith(ending)}


def stored(plan: CleanupPlan) -> CleanupPlan:
    """Return the plan as it comes out of a row."""
    return CleanupPlan.from_json(json.loads(json.dumps(plan.as_json())))


def test_keep_keeps(folder: Path) -> None:
    before = states(folder)
    result = carry_out(stored(plan_cleanup("keep", folder, before)))
    assert states(folder) == before and result.complete and result.files == 0


def test_delete_takes_the_planned_files_and_nothing_else(folder: Path) -> None:
    plan = stored(plan_cleanup("delete", folder, states(folder, ".dat")))
    (folder / "late.dat").touch()
    result = carry_out(plan)
    assert sorted(states(folder)) == ["Spooled files.sifx", "acquisitionmetadata.ini", "late.dat", "notes/ä 脳\n.txt"]
    assert (result.files, result.nbytes, result.complete) == (3, 3003, True)
    assert carry_out(plan) == result
    assert json.loads(json.dumps(result.as_json()))["complete"] is True


@pytest.mark.parametrize("change", ["content", "time", "folder", "link"])
def test_a_file_that_changed_since_is_left_and_reported(folder: Path, change: str) -> None:
    plan = plan_cleanup("delete", folder, states(folder, ".dat"))
    file, status = folder / FILE, (folder / FILE).stat()
    if change == "content":
        os.truncate(file, 999)
        os.utime(file, ns=(0, status.st_mtime_ns))
    elif change == "time":
        os.utime(file, ns=(0, status.st_mtime_ns + 100))
    else:
        moved = file.rename(folder.parent / "moved")
        file.mkdir() if change == "folder" else file.symlink_to(moved)
    result = carry_out(plan)
    assert [item.path for item in result.left] == [FILE] and not result.complete
    assert os.path.lexists(file) and result.files == 2 and carry_out(plan) == result


@pytest.mark.skipif(os.name == "nt", reason="making links needs a privilege there")
@pytest.mark.parametrize("part", ["", "notes"])
def test_a_folder_that_became_a_link_to_its_archive_is_left(folder: Path, tmp_path: Path, part: str) -> None:
    """The archive's copies have the same sizes and times: only where they are tells."""
    plan = plan_cleanup("delete", folder, states(folder))
    moved = tmp_path / "archive"
    shutil.move(folder / part, moved)
    (folder / part if part else folder).symlink_to(moved)
    before = states(moved)
    result = carry_out(plan)
    assert states(moved) == before
    assert [item.reason for item in result.left] == ["its folder is a link now"] * len(before)
    with pytest.raises(BadFile, match="found a symbolic link; expected the raw folder itself"):
        plan_cleanup("delete", folder / part if part else folder, before)


def test_rename_moves_to_a_free_name(folder: Path) -> None:
    before, processed = states(folder), folder.parent / "processed"
    for expected in (folder.name, f"{folder.name}-2", f"{folder.name}-3"):
        plan = stored(plan_cleanup("rename", folder, before))
        result = carry_out(plan)
        assert Path(result.folder) == processed / expected and result.complete and result.files == len(before)
        assert states(processed / expected) == before and not folder.exists()
        assert carry_out(plan) == result
        shutil.copytree(processed / expected, folder)
    assert carry_out(plan) == result and states(folder) == before, "what was recorded there since is not touched"


@pytest.mark.parametrize("change", ["changed", "gone", "new"])
def test_a_folder_that_changed_since_stays(folder: Path, change: str) -> None:
    plan = plan_cleanup("rename", folder, states(folder))
    if change == "changed":
        os.truncate(folder / FILE, 3)
    elif change == "gone":
        (folder / FILE).unlink()
    else:
        (folder / "notes" / "late.dat").touch()
    result = carry_out(plan)
    assert [item.path for item in result.left] == ["notes/late.dat" if change == "new" else FILE]
    assert folder.is_dir() and result.folder == str(folder) and result.files == 0


@pytest.mark.parametrize("when", ["later", "before", "before, and changed since", "before, and gone since"])
def test_what_the_system_puts_into_a_folder_comes_along(folder: Path, when: str) -> None:
    litter = folder / "notes" / "Thumbs.db"
    if when != "later":
        litter.touch()
    plan = plan_cleanup("rename", folder, states(folder))
    if when.endswith("gone since"):
        litter.unlink()
    elif when != "before":
        litter.write_bytes(b"pictures")
    assert carry_out(plan).complete and not folder.exists()
    assert carry_out(plan).complete


def test_a_new_place_that_was_taken_since_is_not_overwritten(folder: Path) -> None:
    plan = plan_cleanup("rename", folder, states(folder))
    other = raw_folder(Path(str(plan.target)), size=7)
    before = states(other)
    with pytest.raises(BadInput, match=r"found a folder with other files; .* plan it again"):
        carry_out(plan)
    assert states(other) == before and folder.is_dir()
    assert carry_out(plan_cleanup("rename", folder, states(folder))).folder == f"{plan.target}-2"


def test_a_folder_that_went_is_told(folder: Path) -> None:
    plan = plan_cleanup("rename", folder, states(folder))
    shutil.rmtree(folder)
    assert [item.reason for item in carry_out(plan).left] == ["the folder is gone, and not in its new place"]
    with pytest.raises(BadFile, match="found no folder"):
        plan_cleanup("rename", folder, {})


def test_files_of_a_folder_that_is_out_of_sight_do_not_count_as_deleted(folder: Path) -> None:
    plan = plan_cleanup("delete", folder, states(folder, ".dat"))
    folder.rename(folder.with_name("unmounted"))
    result = carry_out(plan)
    assert (result.complete, result.files, [item.path for item in result.left]) == (False, 0, ["."])
    folder.with_name("unmounted").rename(folder)
    assert carry_out(plan).complete and states(folder, ".dat") == {}


@pytest.mark.parametrize("path", ["../a", "/etc/passwd", "a/../../b", ""])
def test_nothing_outside_of_the_folder_can_be_planned(folder: Path, path: str) -> None:
    with pytest.raises(BadInput, match="expected a path below the folder"):
        plan_cleanup("delete", folder, {path: (1, 1)})
    content = plan_cleanup("delete", folder, {"a": (1, 1)}).as_json()
    with pytest.raises(BadInput, match="expected a path below the folder"):
        CleanupPlan.from_json(content | {"files": {path: (1, 1)}})
    for broken in ({"action": "burn"}, {"files": None}, {"action": "rename"}, {"files": {"a": 1}}):
        with pytest.raises(BadInput, match="clean-up plan"):
            CleanupPlan.from_json(content | broken)


def test_permissions_that_were_lost_are_told() -> None:
    with folder_of_nobody() as parent:
        folder = raw_folder(parent / "Run1")
        delete, move = (plan_cleanup(action, folder, states(folder)) for action in ("delete", "rename"))
        (folder / "notes").chmod(0o500)
        result = carry_out(delete)
        assert [(item.path, item.reason) for item in result.left] == [("notes/ä 脳\n.txt", "Permission denied")]
        assert result.files == 5 and sorted(states(folder)) == ["notes/ä 脳\n.txt"]
        move = plan_cleanup("rename", folder, states(folder))
        parent.chmod(0o500)
        with pytest.raises(WriteFailed, match=r"processed/Run1: found Permission denied"):
            carry_out(move)
        parent.chmod(0o700)
        assert carry_out(move).complete


WORKER = """
import json, os, sys, time
from opticstream.imaging.raw_cleanup import CleanupPlan, carry_out
print("up", flush=True)
most = len(os.listdir(sys.argv[2])) - 80
def check():
    time.sleep(0.0005 if len(os.listdir(sys.argv[2])) > most else 600)  # something is left for the next one
carry_out(CleanupPlan.from_json(json.load(open(sys.argv[1]))), check)
"""


def test_killed_again_and_again_the_end_is_the_same(tmp_path: Path) -> None:
    chance = campaign_chance()
    folder = raw_folder(tmp_path / "Run1", files=400, size=10)
    kept = states(folder, ".txt") | states(folder, ".ini") | states(folder, ".sifx")
    planned = states(folder, ".dat")
    changed = sorted(planned)[200]
    (folder / changed).write_bytes(b"other")
    (tmp_path / "plan").write_text(json.dumps(plan_cleanup("delete", folder, planned).as_json()))
    counts = [len(states(folder, ".dat"))]
    for _ in range(4):
        command = [sys.executable, "-Wignore::ResourceWarning", "-c", WORKER, str(tmp_path / "plan"), str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as worker:
            try:
                assert worker.stdout is not None and worker.stdout.readline() == b"up\n"
                until(lambda: len(states(folder, ".dat")) < counts[-1], "it deletes")
                time.sleep(chance.uniform(0, 0.03))
            finally:
                worker.kill()
        counts.append(len(states(folder, ".dat")))
        assert states(folder).items() >= kept.items() and changed in states(folder)
    assert counts == sorted(set(counts), reverse=True), "each attempt went on where the one before was killed"
    result = carry_out(stored(CleanupPlan.from_json(json.loads((tmp_path / "plan").read_text()))))
    assert sorted(states(folder)) == sorted([*kept, changed])
    assert result.files == 399 and [item.path for item in result.left] == [changed]
