"""A folder is replaced by another, and a crash at any step leaves one whole tree under the final name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from opticstream.core.errors import WriteFailed
from opticstream.core.files import remove_tree
from opticstream.core.staged_tree import StagedTree

STEPS = 6
"""System calls that move or delete something in publish() and finish(): each is a place to die before."""

WORKER = """
import os, signal, sys
from pathlib import Path
import opticstream.core.files as files
import opticstream.core.staged_tree as staged_tree

final, token, steps = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
calls = 0

def dying(real):
    def step(*args, **kwargs):
        global calls
        if calls == steps:
            os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        calls += 1
        return real(*args, **kwargs)
    return step

os.replace, os.unlink, os.rmdir = dying(os.replace), dying(os.unlink), dying(os.rmdir)
tree = staged_tree.StagedTree(token, final, is_whole=lambda folder: (folder / "zarr.json").is_file())
tree.recover() if sys.argv[4:] else None
tree.folder.mkdir()
(tree.folder / "data").write_text(str(token))
(tree.folder / "zarr.json").write_text(str(token))
tree.publish()
tree.finish()
"""


def is_whole(folder: Path) -> bool:
    return (folder / "zarr.json").is_file()


def staged(token: int, final: Path) -> StagedTree:
    return StagedTree(token, final, is_whole=is_whole)


def write(folder: Path, content: str, *, whole: bool = True) -> Path:
    folder.mkdir(parents=True)
    (folder / "data").write_text(content)
    if whole:
        (folder / "zarr.json").write_text(content)
    return folder


def content(folder: Path) -> str:
    """Return what the tree holds, having checked that it is of one piece."""
    assert (folder / "data").read_text() == (folder / "zarr.json").read_text()
    return (folder / "data").read_text()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_new_tree_takes_the_place_of_the_old(tmp_path: Path) -> None:
    final = write(tmp_path / "a (β).zarr", "old")
    tree = staged(7, final)
    assert tree.recover() == "nothing"
    write(tree.folder, "new")
    assert content(final) == "old"
    tree.publish()
    assert content(final) == "new" and len(names(tmp_path)) == 2, "the old one is kept until the commit"
    tree.finish()
    tree.discard()
    assert content(final) == "new" and names(tmp_path) == [final.name]


def test_what_is_not_whole_is_not_published(tmp_path: Path) -> None:
    final = write(tmp_path / "a.zarr", "old")
    tree = staged(1, final)
    with pytest.raises(WriteFailed, match=r"a\.zarr: found no finished product"):
        tree.publish()
    write(tree.folder, "half", whole=False)
    with pytest.raises(WriteFailed):
        tree.publish()
    tree.discard()
    assert content(final) == "old" and names(tmp_path) == ["a.zarr"]


def test_a_refused_rename_puts_the_old_tree_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    final = write(tmp_path / "a.zarr", "old")
    tree = staged(1, final)
    write(tree.folder, "new")
    real = os.replace

    def refuse(source: Path, target: Path) -> None:
        if Path(source) == tree.folder:
            raise OSError(13, "Permission denied")
        real(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(WriteFailed, match=r"a\.zarr: found Permission denied \(.* GB free\)"):
        tree.publish()
    assert content(final) == "old"


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("steps", range(STEPS + 1))
def test_killed_at_any_step_one_whole_tree_is_left(tmp_path: Path, steps: int, *, old: bool) -> None:
    final = tmp_path / "a.zarr"
    if old:
        write(final, "0")
    done = subprocess.run([sys.executable, "-c", WORKER, str(final), "1", str(steps)], check=False)
    assert (done.returncode == 0) == (steps >= (STEPS if old else 2))
    staged(2, final).recover()
    assert names(tmp_path) in ([["a.zarr"]] if old else [[], ["a.zarr"]])
    if final.exists():
        assert content(final) in ("0", "1")


@pytest.mark.parametrize("steps", range(8))
def test_killed_while_recovering_too(tmp_path: Path, steps: int) -> None:
    """Claim 1 died between its renames; claim 2 dies anywhere in recovery or publication; claim 3 finds a whole tree."""
    final = tmp_path / "a.zarr"
    write(staged(1, final).folder, "1")
    write(tmp_path / ".a.zarr.token-1.old", "0")
    subprocess.run([sys.executable, "-c", WORKER, str(final), "2", str(steps), "recover"], check=False)
    staged(3, final).recover()
    assert names(tmp_path) == ["a.zarr"] and content(final) in ("0", "1", "2")


def test_what_is_whole_decides_between_finishing_and_undoing(tmp_path: Path) -> None:
    final = tmp_path / "a.zarr"
    aside = tmp_path / ".a.zarr.token-1.old"
    write(aside, "old")
    write(staged(1, final).folder, "new", whole=False)
    assert staged(2, final).recover() == "restored" and content(final) == "old"
    final.rename(aside)
    write(staged(1, final).folder, "new")
    assert staged(2, final).recover() == "finished" and content(final) == "new"
    write(aside, "older")
    (final / "zarr.json").unlink()
    assert staged(2, final).recover() == "restored" and content(final) == "older"
    final.rename(aside)
    (aside / "zarr.json").unlink()
    assert staged(2, final).recover() == "restored" and (final / "data").read_text() == "older"
    assert names(tmp_path) == ["a.zarr"]


def test_a_tree_whose_publication_had_not_begun_is_swept(tmp_path: Path) -> None:
    """It may be whole and yet never verified."""
    final = tmp_path / "a.zarr"
    write(staged(1, final).folder, "1")
    assert staged(2, final).recover() == "nothing" and names(tmp_path) == []


def test_only_older_claims_of_the_same_product_are_swept(tmp_path: Path) -> None:
    final = write(tmp_path / "a.zarr", "0")
    for token in (1, 2, 3):
        write(staged(token, final).folder, str(token))
        write(staged(token, tmp_path / "b.zarr").folder, str(token))
    write(tmp_path / ".a.zarr.token-3.old", "newer")
    write(tmp_path / ".a.zarr.token-1.tree.77.88.trash", "1")
    write(tmp_path / ".a.zarr.77.88.trash", "1")
    staged(2, final).recover()
    assert names(tmp_path) == [
        ".a.zarr.token-2.tree",
        ".a.zarr.token-3.old",
        ".a.zarr.token-3.tree",
        *(f".b.zarr.token-{token}.tree" for token in (1, 2, 3)),
        "a.zarr",
    ]
    assert staged(1, tmp_path / "absent" / "c.zarr").recover() == "nothing"


def test_a_successor_that_swept_is_not_overwritten(tmp_path: Path) -> None:
    """A worker that slept past its lease wakes up after its successor has published."""
    final = write(tmp_path / "a.zarr", "0")
    late, successor = staged(1, final), staged(2, final)
    write(late.folder, "1")
    successor.recover()
    write(successor.folder, "2")
    successor.publish()
    with pytest.raises(WriteFailed):
        late.publish()
    late.discard()
    assert content(final) == "2"


def test_removing_a_tree_that_is_absent_is_no_error(tmp_path: Path) -> None:
    remove_tree(tmp_path / "absent")
    remove_tree(write(tmp_path / "a", "x"))
    assert names(tmp_path) == []
