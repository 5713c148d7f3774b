"""A session's archive under full disks, lost permissions and SIGKILL: complete and verified in the end, nothing doubled."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opticstream.core.errors import BadInput
from opticstream.rig.archive import ArchiveRequest, archive_session
from support import archive_session as support
from support.archive_session import content, make_session, temporaries
from support.command import command_environment
from support.kills import campaign_chance
from support.small_disk import run_on_small_disks
from support.unprivileged import folder_of_nobody

SCRIPT = str(Path(support.__file__))


FULL = """
import logging, shutil, sys
from pathlib import Path
from opticstream.rig.archive import ArchiveRequest, archive_session
from support.archive_session import content, make_session, temporaries
from support.small_disk import leave_room

logging.basicConfig(stream=sys.stdout, format="%(message)s")
session, disk, backup = map(Path, sys.argv[1:])

def wanted():
    return ArchiveRequest(session, {"network": disk / "s", "backup": backup / "s"})
"""
FULL_DESTINATION = f"""{FULL}
ballast = leave_room(disk, 1_000_000)
make_session(session, files=30, size=100_000)
result = archive_session(wanted())
print(result.message)
assert not result.verified and {{problem.target for problem in result.problems}} == {{"network"}}
assert content(backup / "s") == content(session)  # the other destination is complete
assert not temporaries(disk) and 0 < len(content(disk / "s")) < len(content(session))
ballast.unlink()
assert archive_session(wanted()).verified
assert content(disk / "s") == content(session) and not temporaries(disk)
"""
FULL_SESSION = f"""{FULL}
make_session(session, files=5)
leave_room(session.parent, 0)
result = archive_session(wanted())
print(result.message)
assert result.verified and content(disk / "s") == content(backup / "s") == content(session)
"""


def _on_small_disk(disk: Path, size: int, script: str, *folders: Path) -> str:
    environment = command_environment(disk.parent / "home", PYTHONPATH=str(Path(__file__).parents[2]))
    return run_on_small_disks({disk: size}, [sys.executable, "-c", script, *map(str, folders)], env=environment)


@pytest.mark.skipif(sys.platform != "linux", reason="needs tmpfs")
def test_a_full_destination_is_named_and_completed_when_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    said = _on_small_disk(disk, 6_000_000, FULL_DESTINATION, tmp_path / "s", disk, tmp_path / "bak")
    assert "No space left on device (0.0 GB free)" in said and f"{disk}/s/" in said
    assert "GB needed; not all will fit" in said


@pytest.mark.skipif(sys.platform != "linux", reason="needs tmpfs")
def test_a_full_session_disk_does_not_keep_the_data_there(tmp_path: Path) -> None:
    """That the disk is full is why people archive; only the archiver's own notes are lost."""
    disk = tmp_path / "disk"
    said = _on_small_disk(disk, 3_000_000, FULL_SESSION, disk / "s", tmp_path / "net", tmp_path / "bak")
    assert "the next run will have to read the copies again" in said


def test_permission_denied_at_the_backup_only_is_pending() -> None:
    with folder_of_nobody() as folder:
        session = make_session(folder / "s")
        (folder / "bak" / "s" / "raw1").mkdir(parents=True)
        (folder / "bak" / "s" / "raw1").chmod(0o500)
        wanted = ArchiveRequest(session, {"network": folder / "net" / "s", "backup": folder / "bak" / "s"})
        result = archive_session(wanted)
        assert result.only_pending and not result.verified and len(result.problems) == 4
        assert "waiting for the backup's permissions" in result.message
        assert content(folder / "net" / "s") == content(session)
        (folder / "bak" / "s" / "raw1").chmod(0o700)
        done = archive_session(wanted)
        assert done.verified and done.copied == 5 and content(folder / "bak" / "s") == content(session)


def test_permission_denied_at_the_source_or_the_network_is_a_failure() -> None:
    with folder_of_nobody() as folder:
        session = make_session(folder / "s")
        (session / "raw0" / "frame 0000.bin").chmod(0)
        (session / "raw1").chmod(0)
        result = archive_session(ArchiveRequest(session, {"network": folder / "net" / "s"}))
        assert {p.path for p in result.problems} == {"raw0/frame 0000.bin", "raw1"} and not result.only_pending
        assert len(content(folder / "net" / "s")) == 10 and "Permission denied" in result.message
        (session / "raw1").chmod(0o700)
        (folder / "net2").mkdir(mode=0o500)
        result = archive_session(ArchiveRequest(session, {"network": folder / "net2" / "s"}))
        assert not result.only_pending and "Permission denied" in result.message


def test_two_archivers_are_kept_apart(tmp_path: Path) -> None:
    session = make_session(tmp_path / "s", files=300)
    wanted = ArchiveRequest(session, {"network": tmp_path / "net" / "s"})
    seen: list[str] = []

    def again() -> None:
        with pytest.raises(BadInput, match="another archiver"):
            archive_session(wanted)
        seen.append("refused")

    assert archive_session(wanted, check=again).verified and seen


def test_an_interruption_ends_the_copying_and_leaves_nothing_half(tmp_path: Path) -> None:
    session = make_session(tmp_path / "s", files=300)
    wanted = ArchiveRequest(session, {"network": tmp_path / "net" / "s"})

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        archive_session(wanted, check=interrupt)
    assert not temporaries(tmp_path / "net")
    assert archive_session(wanted).verified and content(tmp_path / "net" / "s") == content(session)


def _campaign(tmp_path: Path, chance: random.Random, blows: int) -> None:
    session = make_session(tmp_path / "s", files=600, size=3000)
    (session / "big.bin").write_bytes(chance.randbytes(20_000_000))
    network, backup = tmp_path / "net" / "s", tmp_path / "bak" / "s"
    command = [sys.executable, SCRIPT, str(session), str(network), str(backup)]
    environment = command_environment(tmp_path / "home")
    hits = 0
    for _ in range(blows):
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout and child.stdout.readline() == "begun\n"
            time.sleep(chance.expovariate(1 / 0.25))
            hits += child.poll() is None
            child.kill()
        for folder in (network, backup):
            # What has its name is whole at any time: some content that the session had.
            for path in folder.rglob("*.bin") if folder.exists() else ():
                assert path.stat().st_size in (3000, 1, 20_000_000), path
        _meanwhile(session, network, backup, chance)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert content(network) == content(backup) == content(session)
    assert not temporaries(network) and not temporaries(backup) and hits


def _meanwhile(session: Path, network: Path, backup: Path, chance: random.Random) -> None:
    """Change a source, lose a copy, and every now and then tear the journal."""
    victim = chance.choice(sorted(session.rglob("frame*.bin")))
    victim.write_bytes(chance.randbytes(3000) if chance.random() < 0.5 else b"1")
    lost = chance.choice((network, backup)) / victim.parent.name / f"frame {chance.randrange(600):04d}.bin"
    lost.unlink(missing_ok=True)
    journal = session / "launcher_metadata" / "session_archiver_manifest.journal"
    if journal.exists() and chance.random() < 0.3:
        os.truncate(journal, max(0, journal.stat().st_size - chance.randrange(200)))


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_killed_at_any_moment_it_is_complete_in_the_end(tmp_path: Path) -> None:
    _campaign(tmp_path, campaign_chance(), blows=10)


@pytest.mark.torture
@pytest.mark.timeout(1800)
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_killed_many_times(tmp_path: Path) -> None:
    chance = campaign_chance()
    for number in range(20):
        (tmp_path / str(number)).mkdir()
        _campaign(tmp_path / str(number), chance, blows=25)
