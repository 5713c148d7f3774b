import os

import pytest

from opticstream.core.errors import BadFile
from opticstream.watch.readable import ReadableCheck


def mark(path):
    found = path.stat()
    return (path.name, found.st_mtime_ns, found.st_size)


@pytest.fixture
def tile(tmp_path):
    path = tmp_path / "tile"
    path.write_text("x")
    return path


def test_a_file_that_opens_is_readable(tile):
    assert ReadableCheck().faults("u", tile.parent, [(mark(tile), "complex")]) == []


def test_good_files_are_not_looked_at_again_while_another_is_bad(tile):
    looked = []
    other = tile.with_name("other")
    other.write_text("x")

    def check(path, kind):
        looked.append(path.name)
        if path == other:
            raise BadFile(str(path), found="rubbish")

    readable = ReadableCheck(check)
    files = [(mark(tile), "complex"), (mark(other), "spectral")]
    assert "rubbish" in readable.faults("u", tile.parent, files)[0].reason
    assert len(readable.faults("u", tile.parent, files)) == 1
    assert looked == ["tile", "other"]
    readable.forget("u")
    readable.faults("u", tile.parent, files)
    assert looked == ["tile", "other"] * 2


def test_what_is_no_longer_as_it_was_listed_moved(tile):
    readable = ReadableCheck()
    listed = mark(tile)
    tile.write_text("longer")
    assert [fault.moved for fault in readable.faults("u", tile.parent, [(listed, "complex")])] == [True]
    tile.unlink()
    assert [fault.moved for fault in readable.faults("u", tile.parent, [(listed, "complex")])] == [True]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_block(tile):
    listed = mark(tile)
    tile.unlink()
    os.mkfifo(tile)
    assert ReadableCheck().faults("u", tile.parent, [(listed, "complex")])[0].reason == "not a regular file"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind here")
def test_permissions(tile):
    tile.chmod(0)
    (fault,) = ReadableCheck().faults("u", tile.parent, [(mark(tile), "complex")])
    assert fault.retry
    tile.chmod(0o600)
