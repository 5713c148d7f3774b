"""The manifest says the same to us and to sha256sum."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opticstream.core.errors import BadFile, BadInput
from opticstream.imaging.archive import ArchivedFile, Manifest, parse_sums, read_manifest
from opticstream.imaging.archive.manifest import SIZES_NAME, SUMS_NAME

DIGEST = "0123456789abcdef" * 4

_names = (
    st.binary(min_size=1, max_size=12)
    .map(lambda raw: raw.decode("utf-8", "surrogateescape"))
    .filter(lambda name: "\0" not in name and "/" not in name and name not in (".", ".."))
)
_paths = st.lists(_names, min_size=1, max_size=3).map("/".join)
_digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
_files = st.builds(ArchivedFile, _paths, st.integers(0, 1 << 50), _digests, st.integers(-(1 << 60), 1 << 62))
_manifests = st.lists(_files, max_size=8, unique_by=lambda file: file.path).map(Manifest.of)


def write(folder: Path, manifest: Manifest) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / SUMS_NAME).write_bytes(manifest.sums())
    (folder / SIZES_NAME).write_bytes(manifest.sizes())
    return folder


@given(_manifests)
@example(Manifest.of([ArchivedFile("a\\b\nc\rd", 1, DIGEST, 0), ArchivedFile("\\n", 1, DIGEST, 0)]))
@example(Manifest.of([ArchivedFile(" *x ", 1, DIGEST, 0), ArchivedFile("ä/脳", 1, DIGEST, 0)]))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, manifest: Manifest) -> None:
    assert parse_sums(manifest.sums(), "m") == {file.path: file.sha256 for file in manifest.files}
    assert read_manifest(write(tmp_path_factory.getbasetemp() / "m", manifest)) == manifest


@given(st.binary(max_size=200))
@example(b"\\" + DIGEST.encode() + b"  a\\x\n")
def test_any_bytes_are_read_or_refused_with_the_line(data: bytes) -> None:
    try:
        parse_sums(data, "SHA256SUMS")
    except BadFile as error:
        assert error.where.startswith("SHA256SUMS")


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="GNU sha256sum is not installed")
def test_sha256sum_agrees(tmp_path: Path) -> None:
    contents = {"a.dat": b"1" * 1000, "ä 脳.dat": b"", "odd\\na\nm\re": b"x", " leading": b"y", "-dash": b"z"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    files = [ArchivedFile(n, len(c), hashlib.sha256(c).hexdigest(), 0) for n, c in contents.items()]
    write(tmp_path, Manifest.of(files))
    done = subprocess.run(["sha256sum", "--check", "--strict", "--quiet", SUMS_NAME], cwd=tmp_path, check=False)
    assert done.returncode == 0
    for mode in ("--binary", "--text"):
        made = subprocess.run(["sha256sum", mode, "--", *contents], cwd=tmp_path, capture_output=True, check=True)
        assert parse_sums(made.stdout, "m") == {file.path: file.sha256 for file in files}


def test_windows_line_ends_and_upper_case_are_read() -> None:
    assert parse_sums(f"{DIGEST.upper()} *a b\r\n".encode(), "m") == {"a b": DIGEST}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"{DIGEST[:-1]}  a\n", "line 1: found .* expected 64 hexadecimal digits"),
        (f"{DIGEST}\ta\n", "line 1"),
        (f"{DIGEST}  a\n{DIGEST}  a\n", "line 2: found 'a' again"),
        (f"{DIGEST}  a", "a last line without its end"),
        (f"{DIGEST}  ../a\n", "expected a path below the folder"),
        (f"{DIGEST}  /etc/passwd\n", "expected a path below the folder"),
        (f"{DIGEST}  a//b\n", "expected a path below the folder"),
        (f"{DIGEST}  a\0b\n", "expected a path below the folder"),
        (f"\\{DIGEST}  a\\tb\n", "in an escaped name"),
        ("\n", "line 1"),
    ],
)
def test_a_bad_line_is_named(line: str, message: str) -> None:
    with pytest.raises(BadFile, match=message):
        parse_sums(line.encode(), "SHA256SUMS")


def test_a_name_that_cannot_be_written_down_is_refused() -> None:
    with pytest.raises(BadInput, match="not Unicode"):
        Manifest.of([ArchivedFile("a\ud800", 1, DIGEST, 0)]).sums()


def test_lists_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    manifest = Manifest.of([ArchivedFile("a", 1, DIGEST, 5), ArchivedFile("b", 2, DIGEST, 6)], ["empty"])
    folder = write(tmp_path / "m", manifest)
    assert read_manifest(folder) == manifest and manifest.nbytes == 3
    assert manifest.states == {"a": (1, 5), "b": (2, 6)}
    sums = folder / SUMS_NAME
    sums.write_bytes(manifest.sums().replace(b"0123", b"9123", 1))
    with pytest.raises(BadFile, match=r"SHA256SUMS: found SHA-256 .* as SIZES\.json says"):
        read_manifest(folder)
    sums.write_bytes(b"".join(manifest.sums().splitlines(keepends=True)[:1]))
    with pytest.raises(BadFile, match="SHA256SUMS: found no 'b'"):
        read_manifest(folder)
    sums.write_bytes(manifest.sums() + f"{DIGEST}  c\n".encode())
    with pytest.raises(BadFile, match=r"SIZES\.json: found no 'c'"):
        read_manifest(folder)
    sums.unlink()
    with pytest.raises(BadFile, match="found no SHA256SUMS; expected a folder that was archived"):
        read_manifest(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "other"),
        ("files", {"a": {"size": -1, "mtime_ns": 0}}),
        ("files", {"a": {}}),
        ("files", 3),
        ("folders", [".."]),
    ],
)
def test_damaged_sizes_are_refused(tmp_path: Path, key: str, value: object) -> None:
    folder = write(tmp_path / "m", Manifest.of([ArchivedFile("a", 1, DIGEST, 5)]))
    sizes = folder / SIZES_NAME
    content = json.loads(sizes.read_text())
    sizes.write_text(json.dumps(content | {key: value}))
    with pytest.raises(BadFile, match=r"SIZES\.json"):
        read_manifest(folder)
    sizes.write_text("{")
    with pytest.raises(BadFile, match=r"SIZES\.json"):
        read_manifest(folder)
