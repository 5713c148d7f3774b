"""Files are whole or absent, and a set of products is published together or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from opticstream.core.errors import WriteFailed
from opticstream.core.files import atomic_file, write_text
from opticstream.core.staging import StagedFiles, sweep_older


def test_a_file_appears_when_its_body_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "Datei ü.txt"
    with atomic_file(path) as handle:
        handle.write(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half" and list(path.parent.iterdir()) == [path]


def test_a_body_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), atomic_file(path) as handle:
        handle.write(b"new")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom opticstream.core.files import atomic_file\n"
        "with atomic_file(Path(sys.argv[1])) as handle:\n    handle.write(b'new' * 10000)\n    handle.flush()\n    os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == 9
    assert path.read_text() == "old"


def test_products_are_published_together(tmp_path: Path) -> None:
    staged = StagedFiles(7)
    finals = [tmp_path / "x" / "a.nii", tmp_path / "y" / "b.nii"]
    for final in finals:
        with staged.writing(final) as path:
            path.write_text("7")
    assert not any(final.exists() for final in finals) and staged.finals == tuple(finals)
    staged.publish()
    assert [final.read_text() for final in finals] == ["7", "7"]
    staged.discard()
    assert all(final.exists() for final in finals)


def test_a_write_that_fails_names_the_product_and_the_room_left(tmp_path: Path) -> None:
    (tmp_path / "products").write_text("in the way")
    with pytest.raises(WriteFailed) as caught, StagedFiles(1).writing(tmp_path / "products" / "a.nii") as path:
        path.write_text("x")
    assert caught.value.where == str(tmp_path / "products" / "a.nii") and "exists" in caught.value.found
    (tmp_path / "room").mkdir()
    with pytest.raises(WriteFailed, match=r"No space left on device \(\d+\.\d GB free\)"):
        with StagedFiles(1).writing(tmp_path / "room" / "a.nii"):
            raise OSError(28, os.strerror(28))


def test_only_older_temporaries_of_the_same_products_are_swept(tmp_path: Path) -> None:
    for token in (1, 2, 3):
        for name in ("a.nii", "b.nii"):
            StagedFiles(token).path(tmp_path / name).write_text(str(token))
    (tmp_path / ".a.nii.token-x.tmp").touch()
    (tmp_path / "a.nii").touch()
    removed = sweep_older(tmp_path, ["a.nii"], 3)
    assert sorted(path.name for path in removed) == [".a.nii.token-1.tmp", ".a.nii.token-2.tmp"]
    assert len(list(tmp_path.iterdir())) == 6
    assert sweep_older(tmp_path / "absent", ["a.nii"], 3) == []
