"""A session's folder to archive, what an archive must be, and a process that archives (run as a script)."""

import hashlib
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

METADATA = "launcher_metadata"
OWN = frozenset(f"{METADATA}/session_archiver_manifest.{kind}" for kind in ("json", "journal", "lock"))


def make_session(folder: Path, files: int = 12, size: int = 1000, seed: int = 1) -> Path:
    """Make a session with data in folders, metadata, JSON files, an empty folder, and a log."""
    chance = random.Random(seed)
    (folder / METADATA).mkdir(parents=True)
    (folder / METADATA / "end_state.json").write_text("{}")
    (folder / METADATA / "launcher.log").write_text("one line\n")
    (folder / "subject.json").write_text('{"subject_id": "m"}')
    (folder / "nothing").mkdir()
    for number in range(files):
        path = folder / f"raw{number % 3}" / f"frame {number:04d}.bin"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(chance.randbytes(size))
    make_old(folder)
    return folder


def make_old(folder: Path, age_s: float = 60) -> None:
    """Give all files a time that is long ago, so that times alone can tell that nothing changed."""
    for path in folder.rglob("*"):
        if path.is_file():
            then = path.stat().st_mtime_ns - int(age_s * 1e9)
            os.utime(path, ns=(then, then))


def content(folder: Path) -> dict[str, str]:
    """Return a checksum of every file below a folder but the archiver's own, by relative path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in _files(folder)
        if path.relative_to(folder).as_posix() not in OWN
    }


def temporaries(folder: Path) -> list[str]:
    """Return what was left under temporary names."""
    return [path.name for path in _files(folder) if path.name.endswith(".tmp") or path.name.startswith(".opticstream")]


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


if __name__ == "__main__":
    from opticstream.rig.archive import ArchiveRequest, archive_session

    session, network, backup = map(Path, sys.argv[1:4])
    print("begun", flush=True)
    done = archive_session(ArchiveRequest(session, {"network": network, "backup": backup}, max_retries=0))
    print(done.message, flush=True)
    sys.exit(0 if done.verified else 1)
