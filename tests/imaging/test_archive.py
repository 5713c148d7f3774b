"""An archive holds every byte of the raw folder, says what it holds, and is not made of a folder that changes."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from opticstream.core.errors import BadFile, BadInput, WriteFailed
from opticstream.imaging.archive import (
    ArchiveWriter,
    Manifest,
    list_folder,
    publish_archive,
    read_manifest,
    verify_archive,
)
from opticstream.imaging.archive.manifest import SIZES_NAME, SUMS_NAME
from opticstream.imaging.archive.rate_limit import RateLimit
from support.raw_folder import raw_folder
from support.unprivileged import folder_of_nobody


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return raw_folder(tmp_path / "Run1 (β)")


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    return tmp_path / "archive" / ".1-1-0001.token-7.tmp"


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in list_folder(folder).files}


def archive(source: Path, staging: Path) -> Manifest:
    with ArchiveWriter(source, staging) as writer:
        return writer.finish()


def test_the_copy_is_the_folder_and_its_lists(source: Path, staging: Path) -> None:
    seen: list[tuple[int, int]] = []
    with ArchiveWriter(source, staging, progress=lambda done, total: seen.append((done, total))) as writer:
        manifest = writer.finish()
    raw, copied = list_folder(source), list_folder(staging)
    assert contents(staging) == contents(source) | {
        name: (staging / name).read_bytes() for name in (SUMS_NAME, SIZES_NAME)
    }
    assert copied.folders == raw.folders == ("notes", "notes/empty")
    assert {name: copied.files[name] for name in raw.files} == raw.files, "sizes and times are kept"
    assert manifest == read_manifest(staging) and manifest.states == raw.files and manifest.nbytes == raw.nbytes
    assert seen[-1] == (raw.nbytes, raw.nbytes)
    assert verify_archive(staging, source=source).verified


@pytest.mark.parametrize("size", [100_000, 3 << 20])
def test_what_a_conversion_hands_over_is_not_read_again(tmp_path: Path, staging: Path, size: int) -> None:
    """Other bytes come than the files have: the archive holds those that came, and its checksums are of those."""
    source = raw_folder(tmp_path / "Run1", size=size - size % 2)
    handed = {}
    with ArchiveWriter(source, staging) as writer:
        for path in sorted(source.glob("*spool.dat")):
            content = path.read_bytes()
            came = np.arange(len(content), dtype=np.uint8)
            writer.begin(path.name, len(content))
            half = len(content) // 4 * 2
            frames = came[:half].view(np.uint16).reshape(2, -1).copy()
            writer.write(memoryview(frames))
            frames[:] = 0  # a converter's buffer is overwritten by the next slab
            writer.write(memoryview(came[half:]))
            writer.end(path.name)
            handed[path.name] = came.tobytes()
        writer.finish()
    assert contents(staging).items() >= (contents(source) | handed).items()
    assert verify_archive(staging).verified
    assert verify_archive(staging, source=source).of_kind("content", "source") == sorted(handed)


def test_calls_out_of_order_are_refused(source: Path, staging: Path) -> None:
    name = "0000000000spool.dat"
    with ArchiveWriter(source, staging) as writer:
        for call in (lambda: writer.write(memoryview(b"x")), lambda: writer.end(name)):
            with pytest.raises(RuntimeError, match=r"before begin\(\)"):
                call()
        writer.begin(name, 100_000)
        for wrong in (lambda: writer.begin("1000000000spool.dat", 100_001), lambda: writer.end("other"), writer.finish):
            with pytest.raises(RuntimeError):
                wrong()
        writer.write(memoryview(source.joinpath(name).read_bytes()))
        writer.end(name)
        with pytest.raises(RuntimeError, match="handed over already"):
            writer.begin(name, 100_000)


def test_a_file_that_was_not_listed_or_is_short_is_refused(source: Path, staging: Path) -> None:
    with ArchiveWriter(source, staging) as writer:
        with pytest.raises(BadFile, match=r"new\.dat: found a file that was not there"):
            writer.begin("new.dat", 1)
        with pytest.raises(BadFile, match=r"0000000000spool\.dat: found 5 bytes; expected 100000 bytes"):
            writer.begin("0000000000spool.dat", 5)
        writer.begin("0000000000spool.dat", 100_000)
        writer.write(memoryview(b"x"))
        writer.end("0000000000spool.dat")
        with pytest.raises(BadFile, match=r"0000000000spool\.dat: found 1 bytes read; expected 100000"):
            writer.finish()
    assert not (staging / SUMS_NAME).exists()


def _grow(source: Path) -> None:
    with (source / "1000000000spool.dat").open("ab") as handle:
        handle.write(b"x")


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "grows": (_grow, r"1000000000spool\.dat"),
    "other time": (lambda source: os.utime(source / "1000000000spool.dat"), r"1000000000spool\.dat"),
    "goes": (lambda source: (source / "1000000000spool.dat").unlink(), r"1000000000spool\.dat"),
    "comes": (lambda source: (source / "notes" / "late.dat").touch(), r"new: notes/late\.dat"),
}


@pytest.mark.parametrize("case", CHANGES)
@pytest.mark.parametrize("late", [False, True])
def test_a_folder_that_changes_is_not_archived(source: Path, staging: Path, case: str, *, late: bool) -> None:
    change, message = CHANGES[case]

    def progress(done: int, total: int) -> None:
        if late and done == total and not changed:
            changed.append(change(source))

    changed: list[object] = []
    with ArchiveWriter(source, staging, progress=progress) as writer:
        if not late:
            change(source)
        with pytest.raises(BadFile, match=message) as caught:
            writer.finish()
    assert str(source) in caught.value.where and "retry when the acquisition has ended" in caught.value.action
    assert not (staging / SUMS_NAME).exists()


@pytest.mark.skipif(os.name == "nt", reason="making links needs a privilege there")
@pytest.mark.parametrize("kind", ["file link", "folder link", "dangling link", "pipe", "socket"])
def test_what_is_no_file_is_refused_by_name(
    source: Path, staging: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = source / "notes" / "odd"
    if kind == "pipe":
        os.mkfifo(odd)
    elif kind == "socket":
        monkeypatch.chdir(odd.parent)  # a socket's path is short
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("odd")
    else:
        odd.symlink_to({"file link": source / "Spooled files.sifx", "folder link": source}.get(kind, source / "absent"))
    with pytest.raises(BadFile, match=r"notes/odd: found a (symbolic link|device, socket or pipe)"):
        ArchiveWriter(source, staging)


def test_folders_that_cannot_be_archived_there_are_refused(source: Path, staging: Path) -> None:
    with pytest.raises(BadInput, match="expected one outside of it"):
        ArchiveWriter(source, source / "copy")
    (staging / "x").mkdir(parents=True)
    with pytest.raises(BadInput, match="expected an absent or empty one"):
        ArchiveWriter(source, staging)
    (staging / "x").rmdir()
    (source / SUMS_NAME).touch()
    with pytest.raises(BadFile, match="a file called like an archive's manifest"):
        ArchiveWriter(source, staging)
    with pytest.raises(BadFile, match="absent: found No such file or directory"):
        ArchiveWriter(source.with_name("absent"), staging)


def test_what_check_raises_stops_the_copy(source: Path, staging: Path) -> None:
    def check() -> None:
        raise KeyboardInterrupt

    with ArchiveWriter(source, staging, check=check) as writer, pytest.raises(KeyboardInterrupt):
        writer.finish()
    with ArchiveWriter(source, staging.with_name("b"), check=check) as writer:
        writer.begin("0000000000spool.dat", 100_000)
        with pytest.raises(KeyboardInterrupt):
            writer.write(memoryview(b"x"))
    assert not (staging / SUMS_NAME).exists() and not (staging.with_name("b") / SUMS_NAME).exists()


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.longest = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.longest = max(self.longest, seconds)


def test_the_rate_is_kept_on_average() -> None:
    time = Time()
    limit = RateLimit(8.0, clock=time.clock, sleep=time.sleep)
    looks: list[float] = []
    for _ in range(51):
        limit.wait(8_000_000, lambda: looks.append(time.now))
    assert time.now == pytest.approx(150.0) and time.longest <= 0.1
    assert max(np.diff(looks)) <= 0.1 + 1e-9, "a stop is noticed within 0.1 s"
    for hiccup in (0.4, 1.3):  # caught up
        time.now += hiccup
        limit.wait(8_000_000)
        limit.wait(8_000_000)
    assert time.now == pytest.approx(154.0)
    time.now += 60  # a long pause is not: the network has no minute's burst coming
    start = time.now
    for _ in range(10):
        limit.wait(8_000_000)
    assert time.now - start == pytest.approx(8.5)
    free = RateLimit(0.0, clock=time.clock, sleep=time.sleep)
    before = time.now
    free.wait(1 << 40)
    assert time.now == before


FULL = """
import resource, sys
from pathlib import Path
from opticstream.core.errors import OpticstreamError
from opticstream.imaging.archive import ArchiveWriter

resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    with ArchiveWriter(Path(sys.argv[1]), Path(sys.argv[2])) as writer:
        writer.finish()
except OpticstreamError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(os.name == "nt", reason="no such limit there")
def test_a_disk_that_takes_no_more_is_named(source: Path, staging: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(source), str(staging)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"WriteFailed {staging}") and "spool.dat: found File too large (" in done.stdout
    assert "GB free)" in done.stdout and not (staging / SUMS_NAME).exists()


FULL_DISK = """
import sys
from pathlib import Path
from opticstream.core.errors import WriteFailed
from opticstream.imaging.archive import ArchiveWriter

source, disk = Path(sys.argv[1]), Path(sys.argv[2])
with ArchiveWriter(source, disk / "copy") as writer:
    (disk / "other").write_bytes(bytes(7_000_000))
    try:
        writer.finish()
    except WriteFailed as error:
        print(repr(str(error)))
try:
    ArchiveWriter(source, disk / "second")
except WriteFailed as error:
    print(repr(str(error)))
"""


def test_a_full_disk_is_named_before_and_during_the_copy(tmp_path: Path) -> None:
    source, disk = raw_folder(tmp_path / "Run1", size=1 << 20), tmp_path / "disk"
    disk.mkdir()
    mounted = f'mount -t tmpfs -o size=8m none "$1" || exit 77; exec "{sys.executable}" -c "$3" "$2" "$1"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mounted, "sh", str(disk), str(source), FULL_DISK]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no file systems of our own here")
    first, second = done.stdout.splitlines()
    # Two files are copied at a time; which of them finds the disk full is chance.
    assert f"{disk}/copy/" in first and ": found No space left on device (0.0 GB free)" in first
    assert f"{disk}/second: found 0.00" in second and "expected room for 0.003 GB" in second


def test_permissions_that_were_lost_are_named() -> None:
    with folder_of_nobody() as folder:
        source = raw_folder(folder / "Run1")
        with ArchiveWriter(source, folder / "copy") as writer:
            (source / "1000000000spool.dat").chmod(0)
            with pytest.raises(
                BadFile, match=r"1000000000spool\.dat: found Permission denied; expected a file this user"
            ):
                writer.finish()
        (source / "notes").chmod(0)
        with pytest.raises(BadFile, match=r"notes: found Permission denied; expected a folder this user can read"):
            ArchiveWriter(source, folder / "copy2")
        (source / "notes").chmod(0o700)
        (folder / "locked").mkdir(mode=0o500)
        with pytest.raises(WriteFailed, match=r"locked/copy: found Permission denied"):
            ArchiveWriter(source, folder / "locked" / "copy")


KILLED = """
import os, sys
from pathlib import Path
from opticstream.imaging.archive import ArchiveWriter

def progress(done, total):
    if done >= int(sys.argv[3]):
        os.kill(os.getpid(), 9)

with ArchiveWriter(Path(sys.argv[1]), Path(sys.argv[2]), progress=progress) as writer:
    for path in sorted(Path(sys.argv[1]).glob("*spool.dat")):
        writer.begin(path.name, path.stat().st_size)
        writer.write(memoryview(path.read_bytes()))
        writer.end(path.name)
    writer.finish()
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")
@pytest.mark.parametrize("after", [1, 150_000, 300_000])
def test_a_killed_copy_cannot_be_published(source: Path, staging: Path, after: int) -> None:
    command = [sys.executable, "-c", KILLED, str(source), str(staging), str(after)]
    assert subprocess.run(command, check=False).returncode == -9
    assert staging.is_dir()
    with pytest.raises(BadFile, match=r"token-7\.tmp: found no SHA256SUMS"):
        publish_archive(staging, staging.with_name("1"))
    assert not staging.with_name("1").exists()


PEAK = """
import sys
from pathlib import Path
from opticstream.imaging.archive import ArchiveWriter, verify_archive

def peak_mb():
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) / 1024

source, staging = Path(sys.argv[1]), Path(sys.argv[2])
before = peak_mb()
with ArchiveWriter(source, staging, workers=2) as writer:
    writer.finish()
assert verify_archive(staging, source=source, workers=2).verified
print(peak_mb() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is not told here")
def test_memory_does_not_grow_with_the_files(tmp_path: Path, staging: Path) -> None:
    source = tmp_path / "Run1"
    source.mkdir()
    for name in "ab":
        with (source / name).open("wb") as handle:
            handle.truncate(100 << 20)
    command = [sys.executable, "-Wignore::ResourceWarning", "-c", PEAK, str(source), str(staging)]
    assert float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) < 40
