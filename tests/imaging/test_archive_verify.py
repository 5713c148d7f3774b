"""Verification finds every kind of damage, and publishing never takes the place of another archive."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from opticstream.cli.lsm_verify import verify
from opticstream.core.errors import BadFile, BadInput, WriteFailed
from opticstream.imaging.archive import (
    ArchiveWriter,
    find_earlier_archive,
    list_folder,
    publish_archive,
    read_manifest,
    verify_archive,
)
from opticstream.imaging.archive.manifest import SIZES_NAME, SUMS_NAME
from support.raw_folder import raw_folder
from support.unprivileged import folder_of_nobody

FILE = "1000000000spool.dat"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return raw_folder(tmp_path / "Run1")


@pytest.fixture
def archived(source: Path, tmp_path: Path) -> Path:
    return archive(source, tmp_path / "archive" / ".1.token-7.tmp")


def archive(source: Path, staging: Path) -> Path:
    with ArchiveWriter(source, staging) as writer:
        writer.finish()
    return staging


def _flip(folder: Path) -> None:
    """Change one bit and keep size and time: only the content tells."""
    path = folder / FILE
    times, content = path.stat(), bytearray(path.read_bytes())
    content[54_321] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _tamper(folder: Path) -> None:
    sums = folder / SUMS_NAME
    digest = next(file.sha256 for file in read_manifest(folder).files if file.path == FILE)
    sums.write_text(sums.read_text().replace(digest, "0" * 64))


DAMAGE: dict[str, tuple[Callable[[Path], object], dict[str, list[str]]]] = {
    "flipped bit": (_flip, {"content": [FILE]}),
    "truncated": (lambda folder: os.truncate(folder / FILE, 100_000), {"size": [FILE]}),
    "empty": (lambda folder: (folder / FILE).write_bytes(b""), {"size": [FILE]}),
    "longer": (lambda folder: os.truncate(folder / FILE, 100_002), {"size": [FILE]}),
    "missing": (lambda folder: (folder / FILE).unlink(), {"missing": [FILE]}),
    "missing folder": (lambda folder: (folder / "notes" / "empty").rmdir(), {"missing": ["notes/empty"]}),
    "extra": (lambda folder: (folder / "notes" / "x.dat").touch(), {"extra": ["notes/x.dat"]}),
    "tampered manifest": (_tamper, {"content": [FILE, SUMS_NAME]}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_every_damage_of_the_archive_is_found(archived: Path, damage: str) -> None:
    assert verify_archive(archived).verified
    harm, expected = DAMAGE[damage]
    harm(archived)
    found = verify_archive(archived)
    kinds = ("missing", "extra", "size", "content", "unreadable")
    assert {kind: found.of_kind(kind) for kind in kinds if found.of_kind(kind)} == expected
    assert not found.verified
    with pytest.raises(BadFile, match=f"{archived}: found archive .*; expected the 6 files of its manifest") as caught:
        found.require()
    assert all(path in str(caught.value) for paths in expected.values() for path in paths)


@pytest.mark.parametrize("damage", [name for name in DAMAGE if "manifest" not in name])
def test_every_difference_of_the_source_is_found(archived: Path, source: Path, damage: str) -> None:
    harm, expected = DAMAGE[damage]
    harm(source)
    assert verify_archive(archived).verified
    found = verify_archive(archived, source=source)
    assert not any(item.side == "archive" for item in found.differences)
    assert {kind: found.of_kind(kind, "source") for kind in expected} == expected


def test_a_manifest_line_that_went_is_missed(archived: Path) -> None:
    sums = archived / SUMS_NAME
    sums.write_bytes(
        b"".join(line for line in sums.read_bytes().splitlines(keepends=True) if FILE.encode() not in line)
    )
    with pytest.raises(BadFile, match=f"SHA256SUMS: found no '{FILE}'"):
        verify_archive(archived)


def test_a_manifest_changed_with_its_file_is_betrayed_by_the_checksum_kept_elsewhere(
    source: Path, archived: Path, tmp_path: Path
) -> None:
    kept = read_manifest(archived).sha256
    assert verify_archive(archived, expected_sha256=kept).verified
    _flip(source)
    other = archive(source, tmp_path / "other")
    assert verify_archive(other).verified
    assert verify_archive(other, expected_sha256=kept).of_kind("content") == [SUMS_NAME]


def test_the_result_is_json_and_every_byte_is_counted(source: Path, archived: Path) -> None:
    seen: list[tuple[int, int]] = []
    result = verify_archive(archived, source=source, progress=lambda done, total: seen.append((done, total)))
    total = list_folder(source).nbytes
    assert seen[-1] == (2 * total, 2 * total)
    stored = json.loads(json.dumps(result.as_json()))
    assert stored["verified"] is True and stored["differences"] == [] and stored["nbytes"] == total
    assert stored["manifest_sha256"] == read_manifest(archived).sha256
    _flip(archived)
    (difference,) = verify_archive(archived).as_json()["differences"]
    assert (difference["side"], difference["path"], difference["kind"]) == ("archive", FILE, "content")


def test_what_check_raises_stops_the_reading(archived: Path) -> None:
    def check() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify_archive(archived, check=check)


def test_a_file_that_cannot_be_read_is_a_difference() -> None:
    with folder_of_nobody() as folder:
        archived = archive(raw_folder(folder / "Run1"), folder / "archive")
        (archived / FILE).chmod(0)
        (difference,) = verify_archive(archived).differences
        assert (difference.path, difference.kind, difference.found) == (FILE, "unreadable", "Permission denied")


def test_a_folder_of_archives_that_cannot_be_read_is_not_verified(capsys: pytest.CaptureFixture[str]) -> None:
    """It would be passed over, and the archives in it with it; the others are read all the same."""
    with folder_of_nobody() as folder:
        archive(raw_folder(folder / "Run1"), folder / "archives" / "slice-01")
        locked = archive(raw_folder(folder / "Run2"), folder / "archives" / "slice-02")
        locked.chmod(0)
        (folder / "archives" / "lost+found").mkdir(mode=0)  # at the top of each disk, and no one's archive
        with pytest.raises(typer.Exit) as ended:
            verify(folder / "archives", raw=None, json=True)
    found = json.loads(capsys.readouterr().out)
    assert ended.value.exit_code == 1 and not found["verified"]
    refused, whole = found["archives"]
    assert whole["verified"] and (refused["verified"], refused["folder"]) == (False, str(locked))
    assert "Permission denied" in refused["error"]


READ_BYTES = """
import sys
from pathlib import Path
from opticstream.core.file_blocks import hash_from_disk

def read_from_disk():
    return int(next(l for l in open("/proc/self/io") if l.startswith("read_bytes")).split()[1])

path = Path(sys.argv[1])
path.read_bytes()
before = read_from_disk()
hash_from_disk(path, lambda nbytes: None)
print(read_from_disk() - before)
"""


def test_the_disk_is_read_not_the_memory(archived: Path) -> None:
    kind = subprocess.run(["df", "--output=fstype", str(archived)], capture_output=True, text=True, check=False).stdout
    if not {"ext4", "xfs", "btrfs"} & set(kind.split()):
        pytest.skip("this file system does not count what is read from it")
    command = [sys.executable, "-Wignore::ResourceWarning", "-c", READ_BYTES, str(archived / FILE)]
    assert int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) >= 100_000


def test_an_archive_gets_its_name(archived: Path, source: Path) -> None:
    final = archived.with_name("1")
    assert find_earlier_archive(archived, final) is None
    assert publish_archive(archived, final) is None
    assert not archived.exists() and verify_archive(final, source=source).verified


def test_an_earlier_attempts_equal_archive_is_verified_again_and_kept(
    archived: Path, source: Path, tmp_path: Path
) -> None:
    final = tmp_path / "archive" / "1"
    publish_archive(archived, final)
    again = archive(source, archived)
    found = find_earlier_archive(again, final)
    assert found is not None and found.verified and found.folder == str(final)
    _flip(final)
    with pytest.raises(BadFile, match=f"archive {FILE}: content"):
        find_earlier_archive(again, final)
    assert find_earlier_archive(again, final, force=True) is None
    assert publish_archive(again, final, force=True) == final.with_name("1.superseded-1")
    assert verify_archive(final, source=source).verified


def test_an_earlier_archive_that_lost_a_list_is_told_and_can_be_moved_aside(
    archived: Path, source: Path, tmp_path: Path
) -> None:
    final = tmp_path / "archive" / "1"
    publish_archive(archived, final)
    again = archive(source, archived)
    (final / SIZES_NAME).unlink()
    with pytest.raises(BadFile, match=r"no SIZES\.json.*damaged now.*--force-rerun"):
        find_earlier_archive(again, final)
    assert find_earlier_archive(again, final, force=True) is None
    publish_archive(again, final, force=True)
    assert verify_archive(final, source=source).verified


def test_another_sessions_archive_is_never_overwritten(archived: Path, tmp_path: Path) -> None:
    final = tmp_path / "archive" / "1"
    publish_archive(archived, final)
    before = {name: (final / name).read_bytes() for name in list_folder(final).files}
    other = archive(raw_folder(tmp_path / "later" / "Run1", seed=2), archived)
    for refused in (find_earlier_archive, publish_archive):
        with pytest.raises(
            BadInput, match=r"found an archive of 6 other files; expected no archive yet, or the content of"
        ) as caught:
            refused(other, final)
        assert str(final) in str(caught.value) and str(other) in str(caught.value)
    assert publish_archive(other, final, force=True) == final.with_name("1.superseded-1")
    assert {name: (final.with_name("1.superseded-1") / name).read_bytes() for name in before} == before
    third = archive(raw_folder(tmp_path / "third" / "Run1", seed=3), archived)
    assert publish_archive(third, final, force=True) == final.with_name("1.superseded-2")


def test_what_is_no_archive_is_not_overwritten_either(archived: Path) -> None:
    final = archived.with_name("1")
    final.mkdir()
    for refused in (find_earlier_archive, publish_archive):
        with pytest.raises(BadInput, match="something that is no archive of ours"):
            refused(archived, final)
    with pytest.raises(BadFile, match="found no SHA256SUMS"):
        publish_archive(final, archived)


def test_a_refused_rename_leaves_the_old_archive(archived: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    final = archived.with_name("1")
    publish_archive(archived, final)
    again, real = archive(source, archived), os.replace

    def refuse(old: Path, new: Path) -> None:
        if Path(old) == again:
            raise PermissionError(13, "Permission denied")
        real(old, new)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(WriteFailed, match=r"1: found Permission denied"):
        publish_archive(again, final, force=True)
    assert verify_archive(final).verified
