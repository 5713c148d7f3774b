"""Sessions are archived: everything, once, verified; resumed; and nobody else's files are lost."""

import itertools
import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from opticstream.core.errors import BadInput
from opticstream.core.file_blocks import hash_from_disk
from opticstream.core.file_threads import StopMark
from opticstream.rig.archive import ArchiveRequest, archive_session, refresh_metadata, target_folder
from opticstream.rig.archive.journal import last_run
from support.archive_session import METADATA, content, make_session, temporaries


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return make_session(tmp_path / "root" / "m_2026-01-02_03-04-05")


@pytest.fixture
def network(tmp_path: Path, session: Path) -> Path:
    return tmp_path / "net" / session.name


@pytest.fixture
def backup(tmp_path: Path, session: Path) -> Path:
    return tmp_path / "bak" / session.name


def request(session: Path, network: Path, backup: Path | None = None, **more) -> ArchiveRequest:
    targets = {"network": network} | ({"backup": backup} if backup else {})
    return ArchiveRequest(session, targets, **({"retry_delay_s": 0.0} | more))


def manifest(session: Path) -> dict:
    return json.loads((session / METADATA / "session_archiver_manifest.json").read_text("utf-8"))


def test_everything_is_archived_and_the_originals_stay(session: Path, network: Path, backup: Path) -> None:
    before = content(session)
    result = archive_session(request(session, network, backup))
    assert result.verified and result.files == len(before) and result.copied == len(before)
    assert content(network) == content(backup) == content(session) == before
    assert (network / "nothing").is_dir() and not temporaries(network)
    for path in before:
        assert (network / path).stat().st_mtime_ns == (session / path).stat().st_mtime_ns
    document = manifest(session)
    assert document["verified"] and document["files"].keys() == before.keys()
    entry = document["files"]["raw0/frame 0000.bin"]
    assert entry["status"] == "complete" and entry["checksum"] == before["raw0/frame 0000.bin"]
    assert entry["network_copy"] and entry["backup_path"] == str(backup / "raw0/frame 0000.bin")
    assert json.loads((network / METADATA / "session_archiver_manifest.json").read_text("utf-8")) == document
    assert (backup / METADATA / "session_archiver_manifest.journal").stat().st_size


def test_a_rerun_copies_only_what_is_being_written(session: Path, network: Path, backup: Path) -> None:
    archive_session(request(session, network, backup))
    inodes = {path: path.stat().st_ino for path in network.rglob("*.bin")}
    result = archive_session(request(session, network, backup))
    assert result.verified and result.copied == 1  # launcher.log
    assert {path: path.stat().st_ino for path in network.rglob("*.bin")} == inodes
    assert manifest(session)["files"][f"{METADATA}/launcher.log"]["snapshot"]
    assert archive_session(request(session, network, backup, skip_completed=False)).copied == result.files


def test_a_changed_source_a_lost_and_an_altered_copy_are_noticed(session: Path, network: Path, backup: Path) -> None:
    archive_session(request(session, network, backup))
    (session / "raw0" / "frame 0000.bin").write_bytes(b"changed")
    (network / "raw1" / "frame 0001.bin").unlink()
    (backup / "raw2" / "frame 0002.bin").write_bytes(b"shorter")
    (network / "raw0" / "frame 0003.bin").write_bytes(bytes(1000))  # as long as it was
    result = archive_session(request(session, network, backup))
    assert result.verified and result.copied == 5
    for folder in (network, backup):
        assert content(session).items() <= content(folder).items()
    # What others wrote is kept beside; our own earlier copy of what has changed is not.
    assert set(content(network)) - set(content(session)) == {"raw0/frame 0003.bin.superseded-1"}
    assert set(content(backup)) - set(content(session)) == {"raw2/frame 0002.bin.superseded-1"}


def test_an_alteration_that_keeps_size_and_time_is_found_by_reading_again(session: Path, network: Path) -> None:
    archive_session(request(session, network))
    copy = network / "raw0" / "frame 0000.bin"
    status = copy.stat()
    copy.write_bytes(bytes(1000))
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert archive_session(request(session, network)).copied == 1
    assert copy.read_bytes() == bytes(1000)
    assert archive_session(request(session, network, reverify=True)).copied == 2
    assert copy.read_bytes() == (session / "raw0" / "frame 0000.bin").read_bytes()


def test_a_source_that_changed_without_another_time_is_found_if_it_was_fresh(session: Path, network: Path) -> None:
    source = session / "raw0" / "frame 0000.bin"
    source.write_bytes(bytes(1000))
    archive_session(request(session, network))
    status = source.stat()
    source.write_bytes(b"x" * 1000)
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert archive_session(request(session, network)).verified
    assert (network / "raw0" / "frame 0000.bin").read_bytes() == b"x" * 1000


def test_files_of_others_at_the_destination_are_never_lost(session: Path, network: Path) -> None:
    (network / "raw0").mkdir(parents=True)
    (network / "raw0" / "frame 0000.bin").write_bytes(b"of another rig")
    shutil.copy(session / "raw0" / "frame 0003.bin", network / "raw0")
    result = archive_session(request(session, network))
    assert result.verified and list(result.superseded.values()) == ["frame 0000.bin.superseded-1"]
    assert (network / "raw0" / "frame 0000.bin.superseded-1").read_bytes() == b"of another rig"
    assert result.copied == result.files - 1  # the one that was there already was compared, not copied


def test_a_folder_with_the_name_of_a_file_is_an_error_of_that_file_alone(session: Path, network: Path) -> None:
    (network / "raw0" / "frame 0000.bin").mkdir(parents=True)
    (network / "raw1").write_bytes(b"a file where a folder should be")
    result = archive_session(request(session, network))
    assert not result.verified and {p.path for p in result.problems} == {"raw0/frame 0000.bin"} | {
        path for path in content(session) if path.startswith("raw1/")
    }
    assert "a folder of that name" in str(result.problems[0])
    document = manifest(session)["files"]
    assert document["raw0/frame 0000.bin"]["status"] == "error" and "folder" in document["raw0/frame 0000.bin"]["error"]
    assert document["raw0/frame 0003.bin"]["status"] == "complete" and not temporaries(network)


@pytest.mark.parametrize("damage", ["torn", "flipped", "binary", "empty", "gone", "folder", "foreign"])
def test_a_damaged_journal_never_blocks(session: Path, network: Path, damage: str) -> None:
    archive_session(request(session, network))
    inodes = {path: path.stat().st_ino for path in network.rglob("*.bin")}
    journal = session / METADATA / "session_archiver_manifest.journal"
    data = bytearray(journal.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 1
    content_of = {"torn": data[:-7], "flipped": data, "binary": bytes(range(256)) * 9, "empty": b"", "foreign": b"{}\n"}
    journal.unlink()
    if damage == "folder":
        journal.mkdir()
    elif damage != "gone":
        journal.write_bytes(bytes(content_of[damage]))
    result = archive_session(request(session, network))
    assert result.verified and content(network).keys() >= content(session).keys()
    aside = [path.name for path in journal.parent.iterdir() if "damaged" in path.name]
    assert bool(aside) == (damage in ("flipped", "binary", "folder", "foreign"))
    assert {path: path.stat().st_ino for path in network.rglob("*.bin")} == inodes  # compared, not copied
    assert last_run(journal) and archive_session(request(session, network)).copied <= 1 + len(aside)


def test_a_summary_of_another_program_is_kept(session: Path, network: Path) -> None:
    (session / METADATA / "session_archiver_manifest.json").write_text('{"files": {}}')
    assert archive_session(request(session, network)).verified
    assert (session / METADATA / "session_archiver_manifest.json.superseded-1").read_text() == '{"files": {}}'


def test_what_goes_on_changing_is_said_and_never_recorded(session: Path, network: Path, monkeypatch) -> None:
    path = session / "raw0" / "changing.bin"
    path.write_bytes(bytes(1 << 20))
    looks = itertools.count()

    def check(_: StopMark) -> None:
        """Change the file at each block that is read of any; the time of that is its own, however fast it goes."""
        os.utime(path, ns=(next(looks), next(looks)))

    with monkeypatch.context() as patch:
        patch.setattr(StopMark, "check", check)
        result = archive_session(request(session, network, max_retries=1))
    assert [problem.path for problem in result.problems] == ["raw0/changing.bin"]
    assert "changed while it was read" in result.problems[0].reason
    assert manifest(session)["files"]["raw0/changing.bin"]["status"] == "error"
    assert not (network / "raw0" / "changing.bin").exists() and not temporaries(network)
    assert archive_session(request(session, network)).verified


def test_what_the_launcher_writes_is_taken_as_it_is_then(session: Path, network: Path) -> None:
    path = session / METADATA / "launcher.log"
    stop = threading.Event()

    def write() -> None:
        with path.open("ab") as file:
            while not stop.wait(0.0002):
                file.write(b"line\n" * 100)
                file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert archive_session(request(session, network)).verified
        assert archive_session(request(session, network)).verified
    finally:
        stop.set()
        writer.join()
    copy = (network / METADATA / "launcher.log").read_bytes()
    assert copy and path.read_bytes().startswith(copy)
    assert not [name for name in content(network) if "superseded" in name]


def test_patterns_choose_and_metadata_always_comes_along(session: Path, network: Path) -> None:
    result = archive_session(
        request(session, network, include=("raw0/*", "*.json"), exclude=("*3.bin", "*.json", "launcher*"))
    )
    assert result.verified
    chosen = {path for path in content(session) if path.startswith("raw0/") and not path.endswith("3.bin")}
    assert content(network).keys() == chosen | {
        "subject.json",
        f"{METADATA}/end_state.json",
        f"{METADATA}/launcher.log",
    }
    assert manifest(session)["files"]["raw1/frame 0001.bin"] == {
        "status": "skipped",
        "network_copy": False,
        "reason": "not asked for",
    }


def test_a_dry_run_writes_nothing(session: Path, network: Path) -> None:
    before = content(session)
    result = archive_session(request(session, network, dry_run=True))
    assert not result.verified and result.copied == len(before) and "would be copied" in result.message
    assert not network.exists() and not [path for path in (session / METADATA).iterdir() if "archiver" in path.name]


def test_originals_are_removed_only_when_every_copy_is_proven(session: Path, network: Path, backup: Path) -> None:
    before = content(session)
    archive_session(request(session, network, backup))
    damaged = network / "raw0" / "frame 0000.bin"
    status = damaged.stat()
    damaged.write_bytes(bytes(1000))
    os.utime(damaged, ns=(status.st_atime_ns, status.st_mtime_ns))
    (backup / "raw1" / "frame 0001.bin").unlink()
    (backup / "raw1" / "frame 0001.bin").mkdir()
    result = archive_session(request(session, network, backup, remove_source=True, remove_empty_folders=True))
    assert [problem.path for problem in result.problems] == ["raw1/frame 0001.bin"] and result.removed == 11
    left = {path for path in content(session) if path.startswith("raw")}
    assert left == {"raw1/frame 0001.bin"} and not (session / "raw0").exists() and (session / "nothing").exists()
    assert content(network)["raw0/frame 0000.bin"] == before["raw0/frame 0000.bin"]
    (backup / "raw1" / "frame 0001.bin").rmdir()
    assert archive_session(request(session, network, backup, remove_source=True)).verified
    assert manifest(session)["files"]["raw0/frame 0000.bin"]["reason"] == "not in the session folder any more"
    for folder in (network, backup):
        assert before.items() <= content(folder).items()


def test_a_link_is_not_archived_and_said(session: Path, network: Path) -> None:
    (session / "raw0" / "link.bin").symlink_to("frame 0000.bin")
    result = archive_session(request(session, network))
    assert [problem.path for problem in result.problems] == ["raw0/link.bin"]
    assert "symbolic link" in result.message and content(network).keys() == content(session).keys() - {"raw0/link.bin"}


def test_the_metadata_is_refreshed_to_where_the_session_went(session: Path, network: Path, backup: Path) -> None:
    assert refresh_metadata(session) is None
    archive_session(request(session, network, backup, exclude=("raw1/*",)))
    (session / METADATA / "end_state.json").write_text('{"outcome": "completed"}')
    result = refresh_metadata(session)
    assert (
        result and result.verified and (backup / METADATA / "end_state.json").read_text() == '{"outcome": "completed"}'
    )
    assert not (network / "raw1").exists() or not list((network / "raw1").iterdir())
    assert manifest(session)["files"]["raw0/frame 0000.bin"]["status"] == "complete"


def test_what_a_kill_left_under_a_temporary_name_is_not_archived(session: Path, network: Path) -> None:
    own = session / METADATA / ".session_archiver_manifest.json.123.456.tmp"
    others = session / METADATA / ".end_state.json.123.456.tmp"
    data = session / "raw0" / ".frame.123.456.tmp"
    for path in (own, others, data):
        path.write_bytes(b"half")
    assert archive_session(request(session, network)).verified
    assert not own.exists() and others.exists()  # which may be being written
    assert {path.name for path in network.rglob("*.tmp")} == {data.name}


@pytest.mark.parametrize("algorithm", ["md5", "blake2b", "xxh3_128"])
def test_other_checksums(session: Path, network: Path, algorithm: str) -> None:
    assert archive_session(request(session, network, algorithm=algorithm)).verified
    assert archive_session(request(session, network, algorithm=algorithm)).copied == 1
    recorded = manifest(session)["files"]["raw0/frame 0000.bin"]["checksum"]
    assert (1000, recorded) == hash_from_disk(network / "raw0" / "frame 0000.bin", lambda _: None, algorithm=algorithm)
    assert archive_session(request(session, network)).verified  # compared anew with the other checksum


def test_requests_that_make_no_sense(session: Path, network: Path) -> None:
    for wrong, words in [
        ({"algorithm": "crc"}, "found 'crc'; expected one of blake2b"),
        ({"algorithm": "shake_128"}, "shake_128"),
        ({"backup": network / "inside"}, r"backup_dir: found .*, in network_dir"),
        ({"backup": session.parent}, "session_dir"),
        ({"max_retries": -1}, "negative"),
    ]:
        with pytest.raises(BadInput, match=words):
            request(session, network, **wrong)
    with pytest.raises(BadInput, match="network_dir, backup_dir or both"):
        ArchiveRequest(session, {})
    with pytest.raises(BadInput, match="no folder"):
        request(session / "absent", network)


def test_the_sessions_name_is_added_once() -> None:
    assert target_folder(Path("/net"), "s") == Path("/net/s")
    assert target_folder(Path("/net/s"), "s") == Path("/net/s")
    assert target_folder(Path("/net/s/rig 3"), "s") == Path("/net/s/rig 3")
