"""``opticstream lsm watch --once`` as an operator meets it: run twice, two at once, stopped, and on strips that move."""

import shutil
import signal
from pathlib import Path

import pytest

from opticstream.state import open_database
from opticstream.state.outbox import count_events
from support.command import run_command
from support.nursery import Nursery
from support.strip_watch import PATIENCE_S, StripWatch
from support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

A_CHUNK = r"\.tree/0/c/"
"""A file that is written in the middle of a conversion."""


def _once_through(*outcomes: tuple[str, str]) -> list[tuple[str, str]]:
    """Return what the claims of a strip are after these and one good run."""
    return [*outcomes, ("compress", "committed"), ("archive", "committed"), ("cleanup", "committed")]


def test_the_second_watch_finds_nothing_to_do(home: Path, server: str, nursery: Nursery) -> None:
    watch = StripWatch(home, server, nursery)
    watch.rig.arrive()
    assert "Strips processed here: 1 completed" in watch.watch()
    assert "none, nothing to do" in watch.watch()
    assert watch.outcomes() == _once_through()
    watch.check_end()


def test_two_watches_at_once_share_the_strips(home: Path, server: str, nursery: Nursery) -> None:
    watch = StripWatch(home, server, nursery, strips=4)
    while watch.rig.coming:
        watch.rig.arrive()
    both = [watch.start(), watch.start()]
    assert [process.wait(PATIENCE_S) for process in both] == [0, 0]
    assert len(watch.outcomes()) == 4 * 3  # nobody even tried a strip of the other's
    watch.check_end()


def test_ctrl_c_ends_the_watch_after_the_strip_in_hand(home: Path, server: str, nursery: Nursery) -> None:
    watch = StripWatch(home, server, nursery, strips=2)
    watch.rig.arrive(), watch.rig.arrive()
    process = watch.start(A_CHUNK)
    with watch.stopped(process, "convert"):
        process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0
    assert watch.outcomes() == _once_through()
    assert "1 completed" in watch.watch()
    watch.check_end()


def test_a_second_ctrl_c_gives_the_strip_back(home: Path, server: str, nursery: Nursery) -> None:
    watch = StripWatch(home, server, nursery, archive_rate_limit=0.01)  # a minute, of which only the beginning is seen
    name = watch.rig.arrive()
    process = watch.start(A_CHUNK)
    with watch.stopped(process, "convert"):
        pass
    watch.interrupt(process)
    watch.interrupt(process)
    assert process.wait(PATIENCE_S) == 130
    watch.rig.configure(archive_rate_limit=0)
    row = watch.strip()
    assert (row["status"], row["attempts"], row["error"]) == ("ready", 0, None)
    assert watch.outcomes() == [("compress", "released"), ("archive", "released")]
    assert watch.rig.temporaries == [] and not watch.rig.zarr(name).exists()
    watch.rig.check_raw()
    assert "1 completed" in watch.watch()
    assert watch.outcomes() == _once_through(("compress", "released"), ("archive", "released"))
    watch.check_end()


def test_a_service_that_is_stopped_gives_the_strip_back(home: Path, server: str, nursery: Nursery) -> None:
    watch = StripWatch(home, server, nursery, archive_rate_limit=0.3)
    watch.rig.arrive()
    process = watch.start(A_CHUNK)
    with watch.stopped(process, "convert"):
        process.terminate()
    process.wait(PATIENCE_S)
    row = watch.strip()
    assert row["status"] in ("ready", "completed"), row
    assert row["attempts"] == (1 if row["status"] == "completed" else 0)
    assert watch.rig.temporaries == []
    watch.watch()
    watch.check_end()


def test_events_wait_for_the_server(home: Path, server: str, nursery: Nursery) -> None:
    watch = StripWatch(home, server, nursery)
    watch.rig.arrive()
    away = watch.environment | {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    arguments = ("--no-direct", "--once", "--no-pp", "--stability-seconds", "0.2", "--poll-interval", "0.1")
    done = run_command(away, "lsm", "watch", "sheet", watch.rig.raw, *arguments)
    assert "Strips announced here: 1" in done.stdout and "1 events wait for the Prefect API" in done.stdout
    assert watch.strip()["status"] == "ready"
    assert "none, nothing to do" in watch.watch("--no-direct")
    with open_database(watch.settings) as database:
        # A server that is too busy for ten seconds has it from the next watch.
        until(lambda: not count_events(database).waiting or not watch.watch("--no-direct"), "it is delivered")
        counts = count_events(database)
    assert counts.waiting == 0 and counts.sent + counts.settled == 1


def _late_file(folder: Path) -> None:
    (folder / "late.txt").write_text("the camera was not done")


def _another_content(folder: Path) -> None:
    with (folder / "0000000000spool.dat").open("r+b") as file:
        file.write(b"\xff\xff")


def _no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("happen", "told"),
    [(_late_file, "late.txt"), (_another_content, "0000000000spool.dat"), (_no_folder, "Run1")],
    ids=["grows", "changes", "vanishes"],
)
def test_a_strip_that_moves_under_the_conversion_is_taken_again(
    home: Path, server: str, nursery: Nursery, happen: object, told: str
) -> None:
    watch = StripWatch(home, server, nursery)
    name = watch.rig.arrive()
    folder = watch.rig.raw / name
    process = watch.start(A_CHUNK)
    assert callable(happen)
    with watch.stopped(process, "convert"):
        happen(folder)
    assert process.wait(PATIENCE_S) == 1
    row = watch.strip()
    assert row["status"] == "failed" and told in row["error"] and "Traceback" not in row["error"], row
    assert not watch.rig.zarr(name).exists() and not watch.rig.archive(name).exists()
    assert watch.rig.temporaries == []
    assert folder.is_dir() == (happen is not _no_folder)
    assert "nothing to do" in watch.watch()  # a failed strip waits for the operator
    _mend(watch, folder)
    watch.lsm("retry", "sheet", "--yes")
    assert "1 completed" in watch.watch()
    assert watch.outcomes() == _once_through(("compress", "failed"), ("archive", "released"))
    watch.check_end()


def _mend(watch: StripWatch, folder: Path) -> None:
    """Put the strip's folder back to what the camera wrote."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in watch.rig.truth[folder.name].items():
        (folder / name).write_bytes(data)


def test_two_folders_of_one_strip_are_shown_and_neither_is_taken(home: Path, server: str, nursery: Nursery) -> None:
    watch = StripWatch(home, server, nursery)
    folder = watch.rig.raw / watch.rig.arrive()
    twin = folder.with_name("Run01")
    shutil.copytree(folder, twin)
    said = watch.watch()
    assert "nothing to do" in said and str(folder) in said and str(twin) in said
    assert watch.outcomes() == []
    shutil.rmtree(twin)
    assert "1 completed" in watch.watch()
    watch.check_end()


def test_verify_names_the_file_of_an_archive_that_was_altered(home: Path, server: str, nursery: Nursery) -> None:
    watch = StripWatch(home, server, nursery)
    archive = watch.rig.archive(watch.rig.arrive())
    watch.watch()
    assert "verified" in watch.lsm("verify", archive)
    watch.rig.alter(archive / "1000000000spool.dat")
    said = watch.lsm("verify", archive.parent, expect=1)
    assert "archive 1000000000spool.dat: content" in said and "1 file differs" in said


def test_an_archive_altered_before_its_commit_keeps_the_raw_data(home: Path, server: str, nursery: Nursery) -> None:
    """The other host converted; what the archive's host reads back from its disk is not what it wrote."""
    watch = StripWatch(home, server, nursery, distribute_archive=True, strip_cleanup_action="delete")
    name = watch.rig.arrive()
    watch.watch()
    process = watch.archive(name, r"\.tree/.*SHA256SUMS")  # when all files are copied
    with watch.stopped(process, "archive"):
        (staged,) = watch.rig.archive(name).parent.glob(".*.tree/0000000000spool.dat")
        watch.rig.alter(staged)
    assert process.wait(PATIENCE_S) == 1
    row = watch.strip()
    assert row["status"] == "failed" and "0000000000spool.dat: content" in row["error"], row
    assert sorted(path.name for path in (watch.rig.raw / name).iterdir()) == sorted(watch.rig.truth[name])
    assert not watch.rig.archive(name).exists() and watch.rig.temporaries == []
    watch.lsm("retry", "sheet", "--yes")
    assert watch.archive(name).wait(PATIENCE_S) == 0
    assert watch.outcomes()[-2:] == [("archive", "committed"), ("cleanup", "committed")]
    watch.check_end()
