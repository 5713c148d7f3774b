"""A disk that is full in the middle of a shard, through the whole watch: told, nothing half done, mended by retry."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import command_environment
from support.nursery import Nursery
from support.small_disk import leave_room, seen_from, small_disks
from support.strip_watch import StripWatch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_DISK = 16 << 20
_ROOM = 150_000
"""Less than a strip of 634 kB becomes, more than its first files."""


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def disks(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Nursery]]:
    """Return a folder of small disks, and what starts commands that see them."""
    folder = tmp_path_factory.mktemp("small disks")
    environment = command_environment(tmp_path_factory.mktemp("nursery"), server)
    with small_disks(environment, {folder / name: _DISK for name in ("output", "archive", "both", "state")}) as nursery:
        yield folder, nursery


@pytest.mark.parametrize(
    ("full", "places", "told"),
    [
        ("output", {"output_path": "output"}, "sheet_sample-slice01_chunk-0001"),
        ("archive", {"archive_path": "archive"}, "strip-0001"),
        ("both", {"output_path": "both/products", "archive_path": "both/archive"}, "chunk-0001"),
    ],
    ids=["output", "archive", "both on one"],
)
def test_a_full_disk_fails_the_strip_and_room_mends_it(
    home: Path, server: str, disks: tuple[Path, Nursery], full: str, places: dict[str, str], told: str
) -> None:
    folder, nursery = disks
    options = {name: folder / place for name, place in places.items()}
    watch = StripWatch(home, server, nursery, seen_from=seen_from(nursery), **options)
    disk = watch.rig.seen(folder / full)
    # Of an archive the room is asked for first; with the Zarr beside it, that takes the room away again.
    ballast = leave_room(disk, 800_000 if full == "both" else _ROOM)
    name = watch.rig.arrive()
    watch.watch(expect=1)
    row = watch.strip()
    assert row["status"] == "failed" and told in row["error"] and "GB free" in row["error"], row
    assert ".token-" not in row["error"], row["error"]
    assert {path.name for path in (watch.rig.raw / name).iterdir()} == watch.rig.truth[name].keys()
    assert not watch.rig.zarr(name).exists() and not watch.rig.archive(name).exists()
    assert watch.rig.temporaries == []
    assert [path for path in disk.rglob("*") if path.is_file()] == [ballast], "nothing else takes room"
    assert "nothing to do" in watch.watch()
    ballast.unlink()
    watch.lsm("retry", "sheet", "--yes")
    assert "1 completed" in watch.watch()
    watch.check_end()


def test_a_full_disk_under_the_state_loses_no_strip(home: Path, server: str, disks: tuple[Path, Nursery]) -> None:
    folder, nursery = disks
    watch = StripWatch(home, server, nursery, strips=2, seen_from=seen_from(nursery))
    # Set up here, then moved to where there is little room.
    state = watch.rig.seen(folder / "state")
    shutil.copytree(home, state / "home")
    watch.environment["OPTICSTREAM_HOME"] = str(folder / "state" / "home")
    watch.rig.arrive()
    watch.watch()
    watch.rig.arrive()
    ballast = leave_room(state, 8192)
    said = watch.watch(expect=1)
    assert "state.db" in said and "GB free" in said and "Traceback" not in said, said
    watch.rig.check_raw()
    ballast.unlink()
    watch.watch()
    assert watch.strip(2)["status"] == "completed"
    assert watch.rig.temporaries == []
