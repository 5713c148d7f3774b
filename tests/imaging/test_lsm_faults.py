"""Full disks, kills, stops and large strips: nothing looks finished that is not, and memory stays bounded."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from opticstream.core.errors import WriteFailed
from opticstream.core.lsm_config import ZarrOptions
from opticstream.imaging.lsm import SpoolStrip, convert_strip, open_spool
from opticstream.imaging.omezarr import commit_mark
from support.spool_strip import file_name, write_strip
from support.waiting import until

CHILD = Path(__file__).parent.parent / "support" / "convert_child.py"


def _convert(strip: SpoolStrip, out: Path, **more: Any) -> None:
    arguments: dict[str, Any] = {"mip": out / "mip.tiff", "options": ZarrOptions(chunk=16), "slab_bytes": 5000} | more
    convert_strip(strip, out / "s.ome.zarr", voxel_size_um=(1, 1, 1), name="s", workers=2, **arguments)


class Stop(Exception):
    """Raised by a check."""


@pytest.mark.parametrize("at", [1, 2, 3, 7])
def test_what_check_raises_leaves_nothing(tmp_path: Path, at: int) -> None:
    strip = open_spool(write_strip(tmp_path / "Run1", frames=100).folder)
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise Stop

    with pytest.raises(Stop):
        _convert(strip, tmp_path, check=check)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Run1"]


class FullSink:
    """A sink whose disk is full after some bytes."""

    def __init__(self) -> None:
        self.room = 20_000

    def begin(self, name: str, size: int) -> None:
        pass

    def write(self, data: memoryview) -> None:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(28, "No space left on device")

    def end(self, name: str) -> None:
        pass


def test_a_sink_without_room_is_named(tmp_path: Path) -> None:
    strip = open_spool(write_strip(tmp_path / "Run1", frames=100).folder)
    with pytest.raises(WriteFailed, match=r"copy of .*spool\.dat.*No space left"):
        _convert(strip, tmp_path, sink=FullSink())
    assert not (tmp_path / "s.ome.zarr").exists()


@pytest.mark.skipif(os.name == "nt", reason="no file size limit to set")
@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_a_product_that_cannot_be_written_is_named(tmp_path: Path, version: Literal["0.4", "0.5"]) -> None:
    """With the size of files limited, a write fails in the middle of a shard, as it does when a disk fills up."""
    import resource

    strip = open_spool(write_strip(tmp_path / "Run1", frames=64, rows=40, columns=40).folder)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
        with pytest.raises(WriteFailed) as raised:
            _convert(strip, tmp_path, mip=None, options=ZarrOptions(chunk=16, ome_version=version))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, former)
    assert raised.value.where == str(tmp_path / "s.ome.zarr") and "GB free" in raised.value.found
    assert not (tmp_path / "s.ome.zarr").exists()


def _may_mount() -> bool:
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    done = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False)
    return done.returncode == 0


def test_a_full_disk_is_told_with_its_room(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    if not _may_mount():
        pytest.skip("a small file system may not be mounted here")
    write_strip(tmp_path / "Run1", frames=128, rows=64, columns=300)
    out = tmp_path / "small"
    out.mkdir()
    kernels = pytestconfig.cache.mkdir("kernels")
    # One file system per case: the disk fills in a shard, or in the projection.
    script = f'mount -t tmpfs -o size=$SIZE tmpfs "{out}" && "{sys.executable}" "{CHILD}" "{tmp_path / "Run1"}" "{out}" "{kernels}"; ls -A "{out}"'
    for size, named in (("2m", "s.ome.zarr"), ("16k", "mip.tiff")):
        done = subprocess.run(
            ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=True, env=os.environ | {"SIZE": size}
        )  # fmt: skip
        last = done.stderr.splitlines()[-1]
        assert f"WriteFailed: {out / named}: found No space left on device (0.0 GB free)" in last, done.stderr
        assert [line for line in done.stdout.splitlines() if not line.isdigit()] == []


@pytest.fixture
def child(tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[subprocess.Popen[str]]:
    write_strip(tmp_path / "Run1", frames=300, rows=60, columns=250, frames_per_file=50)
    command = [
        sys.executable,
        str(CHILD),
        *map(str, (tmp_path / "Run1", tmp_path, pytestconfig.cache.mkdir("kernels"))),
    ]
    with subprocess.Popen([*command, "pause"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_killed_in_the_middle_nothing_looks_finished(tmp_path: Path, child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None and child.stdout is not None
    for _ in range(random.Random(1).randint(1, 6)):
        child.stdin.write("go on\n")
        child.stdin.flush()
        child.stdout.readline()
    until(lambda: any((tmp_path / "s.ome.zarr" / "0").rglob("*")), "it is at work")
    child.kill()
    child.wait()
    assert not (tmp_path / "s.ome.zarr" / commit_mark("0.5")).exists()
    strip = open_spool(tmp_path / "Run1")
    _convert(strip, tmp_path, options=ZarrOptions(), slab_bytes=1 << 20)
    assert (tmp_path / "s.ome.zarr" / commit_mark("0.5")).exists()


def _repeat(folder: Path, files: int) -> None:
    """Make a strip longer by links to its first file."""
    for index in range(1, files):
        os.link(folder / file_name(0), folder / file_name(index))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured by /proc")
@pytest.mark.parametrize(
    ("rows", "columns", "files", "frames_per_file"),
    [(126, 2048, 24, 64), (2048, 2048, 12, 8)],
    ids=["long strip", "tall frames"],
)
def test_memory_is_bounded(
    tmp_path: Path, pytestconfig: pytest.Config, rows: int, columns: int, files: int, frames_per_file: int
) -> None:
    """At most 4 slabs of 64 MiB and 150 MB in all, whatever a strip's length or the height of its frames."""
    spooled = write_strip(
        tmp_path / "Run1", rows=rows, columns=columns, frames=frames_per_file, frames_per_file=frames_per_file
    )
    _repeat(spooled.folder, files)
    command = [sys.executable, str(CHILD), *map(str, (spooled.folder, tmp_path, pytestconfig.cache.mkdir("kernels")))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout.splitlines()[-1])
    assert measured["bytes"] > 750e6
    assert measured["peak_mb"] < (4 * (64 << 20)) / 1e6 + 150
