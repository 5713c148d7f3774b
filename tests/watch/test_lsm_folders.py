import os
import shutil
from pathlib import Path

import pytest

from opticstream.core.errors import BadFile
from opticstream.watch import is_settled
from opticstream.watch.strip_tree import look

by_descriptor = pytest.mark.skipif(os.scandir not in os.supports_fd, reason="folders are listed by path here")


def problems(report):
    return [str(problem) for problem in report.problem_list]


def test_two_folders_of_one_strip_are_a_problem_until_one_goes(strips):
    one, other = strips.acquire("Run1"), strips.acquire("run01_C1")
    strips.acquire("Run2")
    service = strips.watch()
    for now in (0, 10, 20):
        report = strips.at(service, now)
    assert (strips.done(), len(strips.notes.problems), report.seen) == (["Run2"], 1, 3)
    assert str(one) in problems(report)[0]
    assert str(other) in problems(report)[0]
    assert is_settled(report)
    other.rename(strips.folder / "Run1_1")
    strips.at(service, 30)
    assert strips.done() == ["Run2"]
    report = strips.at(service, 40)
    assert (report.problems, strips.done()) == (0, ["Run2", "Run1", "Run1_1"])


@pytest.mark.parametrize("registered_only", [False, True])
def test_the_folder_that_was_taken_stays_the_strips(strips, registered_only):
    strips.away = registered_only
    one = strips.acquire("Run1")
    service = strips.watch()
    for now in (0, 10):
        strips.at(service, now)
    other = strips.acquire("Run01")
    strips.away = False
    for now in (20, 30, 40):
        report = strips.at(service, now)
    assert strips.done() == ["Run1"]
    assert problems(report)[0].startswith(str(other))
    assert f"taken from {one};" in problems(report)[0]
    shutil.rmtree(one)
    for now in (50, 60):
        report = strips.at(service, now)
    assert (report.problems, strips.done()) == (0, ["Run1"])
    assert [outcome for _, outcome, _ in strips.notes.units][-1] == "skipped"


def test_a_bad_strip_is_left_out_until_it_changes(strips):
    looked = []

    def check(folder):
        looked.append(folder.name)
        if any(path.read_text() == "torn" for path in folder.iterdir()):
            raise BadFile(str(folder / "x.dat"), found="a short file")

    folder = strips.acquire("Run1", "torn")
    service = strips.watch(check=check)
    for now in (0, 10, 20, 39):
        report = strips.at(service, now)
    assert (looked, len(strips.notes.problems), is_settled(report)) == (["Run1"], 1, True)
    assert f"{folder / 'x.dat'}: found a short file" in problems(report)[0]
    strips.acquire("Run1", "whole now")  # in place: the folder's own mtime stays
    for now in (50, 55, 61):
        report = strips.at(service, now)
    assert (looked, strips.done(), report.problems) == (["Run1", "Run1"], ["Run1"], 0)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyError("a defect")])
def test_a_check_that_cannot_look_is_tried_again(strips, error):
    errors = [error]

    def check(folder):
        if errors:
            raise errors.pop()

    strips.acquire("Run1")
    service = strips.watch(check=check, stability_seconds=0)
    for now in (0, 1):
        report = strips.at(service, now)
    assert "cannot be checked" in problems(report)[0]
    assert is_settled(report)
    strips.at(service, 2)
    assert strips.done() == ["Run1"]


@pytest.fixture
def denied(monkeypatch):
    """Return the names of files and folders that may not be opened; root may open everything else's."""
    names, real = set(), os.open

    def guarded(path, *arguments, **options):
        if Path(path).name in names:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", guarded)
    return names


@by_descriptor
def test_a_subfolder_that_may_not_be_read_is_a_problem_and_the_watch_goes_on(strips, denied):
    folder = strips.acquire("Run1")
    (folder / "sub").mkdir()
    strips.acquire("Run2")
    service = strips.watch()
    strips.at(service, 0)
    denied.add("sub")
    for now in (10, 20):
        report = strips.at(service, now)
    assert (strips.done(), report.waiting, len(strips.notes.problems), is_settled(report)) == (["Run2"], 0, 1, True)
    assert f"{folder / 'sub'}: cannot be read: Permission denied" in problems(report)[0]
    denied.clear()
    for now in (30, 40):
        report = strips.at(service, now)
    assert (strips.done(), report.problems) == (["Run2", "Run1"], 0)


@by_descriptor
def test_a_taken_strip_that_may_not_be_read_for_a_while_stays_taken(strips, denied):
    folder = strips.acquire("Run1")
    service = strips.watch()
    for now in (0, 10):
        strips.at(service, now)
    (folder / "tmp").touch()
    (folder / "tmp").unlink()  # its mtime is new, what is in it is not
    denied.add("Run1")
    for now in (20, 30):
        report = strips.at(service, now)
    assert str(folder) in problems(report)[0]
    denied.clear()
    for now in (40, 50, 60):
        report = strips.at(service, now)
    assert (report.problems, report.waiting, len(strips.asked)) == (0, 0, 1)
    assert [unit[1] for unit in strips.notes.units] == ["dispatched"]


def test_a_file_that_may_not_be_read_holds_its_strip_back_until_it_may(strips, denied):
    folder = strips.acquire("Run1")
    denied.add("Run1-0spool.dat")
    service = strips.watch()
    for now in (0, 10, 11):
        report = strips.at(service, now)
    assert (strips.done(), is_settled(report)) == ([], True)
    assert f"{folder / 'Run1-0spool.dat'}: cannot be read: Permission denied" in problems(report)[0]
    denied.clear()
    report = strips.at(service, 13)
    assert (strips.done(), report.problems) == (["Run1"], 0)


def test_a_folder_that_vanishes_while_it_is_walked_is_a_problem_of_that_pass(strips, scans):
    strips.acquire("Run1")
    folder = strips.acquire("Run2")
    scans.fail["Run2-0spool.dat"] = OSError(116, "Stale file handle")
    service = strips.watch()
    report = strips.at(service, 0)
    assert f"{folder / 'Run2-0spool.dat'}: cannot be read: Stale file handle" in problems(report)[0]
    scans.fail["Run2-0spool.dat"] = FileNotFoundError(2, "No such file or directory")
    report = strips.at(service, 5)
    assert (report.problems, report.files) == (0, 3)
    shutil.rmtree(folder)
    report = strips.at(service, 10)
    assert (report.seen, report.problems, strips.done()) == (1, 0, ["Run1"])


def test_one_listing_per_folder_one_stat_per_file_and_nothing_for_finished_strips(strips, scans):
    for number in range(1, 4):
        folder = strips.acquire(f"Run{number}", files=5)
        (folder / "sub").mkdir()
        (folder / "sub" / f"{number}.ini").touch()
    strips.acquire("notes")
    service = strips.watch()
    for number, now in enumerate((0, 5, 10), start=1):
        strips.at(service, now)
        assert scans.listings == 7 * number + (6 if now == 10 else 0)  # opening lists again, but stats no entry
        assert set(scans.stats.values()) == {number}
        assert len(scans.stats) == 3 * 6 + 3
    assert len(strips.done()) == 3
    scans.stats.clear()
    scans.listings = 0
    for now in (20, 200):
        strips.at(service, now)
    assert scans.listings == 2
    assert scans.stats == {"Run1": 2, "Run2": 2, "Run3": 2}
    (strips.folder / "Run2" / "late").touch()
    strips.at(service, 210)
    assert scans.listings == 2 + 1 + 2


def test_a_strip_that_long_has_too_little_is_looked_at_now_and_then(strips, scans):
    strips.acquire("Run1")
    service = strips.watch(min_files=3)
    for now in range(0, 40, 5):
        strips.at(service, now)
    before = scans.listings
    for now in range(40, 100, 5):
        strips.at(service, now)
    assert scans.listings - before == 12 + 2
    strips.acquire("Run1", files=3)
    for now in (100, 110):
        strips.at(service, now)
    assert strips.done() == ["Run1"]


def test_a_hint_makes_a_finished_strip_looked_at(strips):
    hints = set()
    folder = strips.acquire("Run1")
    service = strips.watch()
    service._source._hints = lambda: hints
    for now in (0, 10):
        strips.at(service, now)
    (folder / "Run1-0spool.dat").write_text("in place")
    assert strips.at(service, 20).waiting == 0
    hints.add("Run1")
    assert strips.at(service, 30).waiting == 1
    assert strips.notes.units[-1][1] == "changed"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_neither_file_nor_folder_is_a_problem(strips, tmp_path):
    folder = strips.acquire("Run1")
    (folder / "link").symlink_to(tmp_path, target_is_directory=True)
    service = strips.watch()
    assert f"{folder / 'link'}: found a link to a folder" in problems(strips.at(service, 0))[0]
    (folder / "link").unlink()
    os.mkfifo(folder / "pipe")
    assert "neither a file nor a folder" in problems(strips.at(service, 5))[0]
    (folder / "pipe").unlink()
    for now in (10, 20):
        strips.at(service, now)
    assert strips.done() == ["Run1"]


def test_a_look_counts_and_digests(folder):
    (folder / "a" / "b").mkdir(parents=True)
    empty = look(folder)
    assert (empty.files, empty.total_bytes, empty.newest) == (0, 0, 0)
    for name, text in (("z", "12"), ("a/x", "345"), ("a/b/y", "6")):
        (folder / name).write_text(text)
        os.utime(folder / name, ns=(0, 10**18 + len(text)))
    (folder / "link").symlink_to("z")
    (folder / "broken").symlink_to("nothing")
    seen = look(folder)
    assert (seen.files, seen.total_bytes, seen.newest) == (4, 8, 10**18 + 3)
    assert seen.digest == "e1e2cc3b70a8af4c8524976f13ecae7556c4cb7f635137ca7b7a7cdedc9e0258"
    assert look(folder, opening=True) == seen
    assert not seen.is_left_of(seen)
    (folder / "a" / "x").unlink()
    less = look(folder)
    assert less != seen
    assert less.is_left_of(seen)
    (folder / "z").write_text("")
    assert not look(folder).is_left_of(seen)


def test_a_very_deep_folder_is_walked(folder):
    deep = folder / "/".join("d" * 300)
    deep.mkdir(parents=True)
    (deep / "file").touch()
    assert look(folder).files == 1


def test_a_resting_strip_that_changes_is_looked_at_in_every_pass_again(strips):
    good = []

    def check(folder):
        if not good:
            raise BadFile(str(folder), found="half a strip")

    folder = strips.acquire("Run1")
    service = strips.watch(check=check)
    for now in (0, 10, 40):
        strips.at(service, now)
    good.append(True)
    (folder / "late").touch()
    strips.at(service, 50)
    (folder / "late").write_text("in place")
    for now in (55, 60, 64):
        assert strips.at(service, now).dispatched == 0
    assert strips.at(service, 65).dispatched == 1


def test_a_resting_strip_that_turns_out_to_have_moved_is_looked_at_in_every_pass_again(strips):
    strips.away = True
    folder = strips.acquire("Run1")
    service = strips.watch()
    for now in (0, 10):
        strips.at(service, now)
    strips.away = False
    (folder / "Run1-0spool.dat").write_text("in place")
    for now in (11, 12, 21):
        assert strips.at(service, now).dispatched == 0
    assert strips.at(service, 22).dispatched == 1
