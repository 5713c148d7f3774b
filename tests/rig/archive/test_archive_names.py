"""Names and patterns of every kind: what is chosen is archived under its own name."""

import fnmatch
import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opticstream.rig.archive import ArchiveRequest, archive_session
from opticstream.rig.archive.selection import always_archived, is_live, selector
from support.archive_session import content

NAME = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 200
)
PATH = st.lists(NAME, min_size=1, max_size=3).map("/".join)
PATTERN = st.text("*?[]!-ab/.\n", max_size=8)


@settings(max_examples=25, deadline=None)
@given(st.lists(PATH, min_size=1, max_size=8, unique=True))
@pytest.mark.skipif(os.name == "nt", reason="fewer names are names there")
def test_every_name_is_archived_under_itself(paths: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        session = Path(folder) / "s"
        for number, path in enumerate(paths):
            if any(other != path and (other.startswith(path + "/") or path.startswith(other + "/")) for other in paths):
                continue
            (session / path).parent.mkdir(parents=True, exist_ok=True)
            (session / path).write_bytes(b"%d" % number)
        session.mkdir(exist_ok=True)
        wanted = ArchiveRequest(session, {"network": Path(folder) / "net"})
        assert archive_session(wanted).verified
        assert content(session) == content(Path(folder) / "net")
        assert archive_session(wanted).verified
        json.loads(wanted.manifest_path.read_text("utf-8"))


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_odd_names_that_hypothesis_does_not_write(tmp_path: Path) -> None:
    session = tmp_path / "s"
    session.mkdir()
    names = [b"not\xffunicode", b"new\nline", b" spaces ", b"x" * 255, "日本語.bin".encode(), b"-rf", b"a\\b"]
    for name in names:
        Path(os.fsdecode(bytes(os.fsencode(session)) + b"/" + name)).write_bytes(name)
    deep = session.joinpath(*["folder of a deep tree"] * 40)
    deep.mkdir(parents=True)
    (deep / "leaf").write_bytes(b"leaf")
    wanted = ArchiveRequest(session, {"network": tmp_path / "net"})
    assert archive_session(wanted).verified and content(session) == content(tmp_path / "net")
    assert archive_session(wanted).copied == 0 or archive_session(wanted).verified
    json.loads(wanted.manifest_path.read_text("utf-8"))


@given(PATH, st.lists(PATTERN, max_size=3), st.lists(PATTERN, max_size=3))
def test_patterns_are_those_of_fnmatch(path: str, include: list[str], exclude: list[str]) -> None:
    def any_of(patterns: list[str]) -> bool:
        name = path.rpartition("/")[2]
        return any(fnmatch.fnmatch(path, pattern) or fnmatch.fnmatch(name, pattern) for pattern in patterns)

    assert selector(include, exclude)(path) == (any_of(include) and not any_of(exclude))


@pytest.mark.parametrize(
    ("path", "always", "live"),
    [
        ("subject.json", True, False),
        ("SESSION.JSON", True, False),
        ("data/subject.json", False, False),
        ("launcher_metadata/end_state.json", True, False),
        ("launcher_metadata/launcher.log", True, True),
        ("launcher_metadata_rig2/resource_usage.json", True, True),
        ("launcher_metadata/session_lock.3.json", True, True),
        ("launcher.log", False, False),
        ("launcher_metadata", False, False),
    ],
)
def test_what_no_pattern_leaves_out(path: str, always: bool, live: bool) -> None:
    assert (always_archived(path), is_live(path)) == (always, live)
