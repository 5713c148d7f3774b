import os
import threading

import pytest

from opticstream.core.errors import BadInput
from opticstream.watch import NotNow, is_settled


def problems(report):
    return [str(problem) for problem in report.problem_list]


def test_a_strip_is_dispatched_once_when_nothing_below_it_changes(strips):
    folder = strips.acquire("Run3_C2_4", "data")
    (folder / "sub").mkdir()
    (folder / "sub" / "more").write_text("more")
    service = strips.watch(slice_offset=2)
    assert strips.at(service, 0).waiting == 1
    assert strips.at(service, 9).dispatched == 0
    report = strips.at(service, 10)
    assert (report.seen, report.ready, report.registered, report.dispatched, report.files) == (1, 1, 1, 1, 3)
    (ready,) = strips.dispatched
    assert (str(ready.ident), ready.folder) == ("lsm/brain/slice-05/channel-02/strip-0005", folder)
    assert (ready.files, ready.total_bytes, len(ready.fingerprint), ready.force) == (3, 12, 64, False)
    assert ready.summary == f"3 files, 1.2e-08 GB in {folder}"
    for now in range(20, 200, 20):
        strips.at(service, now)
    assert len(strips.asked) == len(strips.dispatched) == 1


def test_a_growing_strip_holds_back_only_itself(strips):
    service = strips.watch()
    strips.acquire("Run1")
    for now in range(0, 40, 5):
        strips.acquire("Run2", "x" * (now + 1))
        strips.at(service, now)
    assert strips.done() == ["Run1"]
    for now in (40, 45):
        strips.at(service, now)
    assert strips.done() == ["Run1", "Run2"]


def test_strips_are_taken_in_order_of_their_numbers(strips):
    for name in ("Run10", "Run2_C2", "Run2_10", "run2_9", "Run2"):
        strips.acquire(name)
    service = strips.watch()
    for now in (0, 10):
        strips.at(service, now)
    assert strips.done() == ["Run2", "run2_9", "Run2_10", "Run2_C2", "Run10"]


def test_folders_that_hold_too_little_are_listed_with_the_reason(strips):
    strips.acquire("Run1", files=0)
    strips.acquire("Run2", files=2)
    strips.acquire("Run3", "x" * 10, files=3)
    strips.acquire("Run4", "x" * 100, files=3)
    service = strips.watch(min_files=3, strip_folder_size_threshold=1e-7)
    for now in (0, 10):
        report = strips.at(service, now)
    assert [str(unit) for unit in report.incomplete_units] == [
        "Run1: no files",
        "Run2: 2 of at least 3 files",
        "Run3: 3e-08 of at least 1e-07 GB",
    ]
    assert strips.done() == ["Run4"]
    assert is_settled(report)
    strips.acquire("Run1", "x" * 100, files=3)
    for now in (20, 30):
        report = strips.at(service, now)
    assert (strips.done(), report.incomplete) == (["Run4", "Run1"], 2)


def test_a_name_that_says_no_strip_is_told_once(strips):
    strips.acquire("Run_test")
    strips.acquire("notes")
    strips.acquire("processed")
    (strips.folder / "Run5_info.mat").touch()
    service = strips.watch()
    for now in (0, 10, 20):
        report = strips.at(service, now)
    assert len(strips.notes.problems) == report.problems == 1
    assert str(strips.folder / "Run_test") in problems(report)[0]
    assert "Run3_C2_4" in problems(report)[0]
    assert (report.seen, strips.done()) == (0, [])
    (strips.folder / "Run_test").rename(strips.folder / "Run1")
    for now in (30, 40):
        report = strips.at(service, now)
    assert (report.problems, strips.done()) == (0, ["Run1"])


def test_numbers_that_cannot_be_are_problems(strips):
    strips.acquire("Run2")
    strips.acquire("Run3_2")
    strips.acquire("Run3_1")
    service = strips.watch(slice_offset=-2, strips_per_slice=2)
    for now in (0, 10):
        report = strips.at(service, now)
    assert strips.done() == ["Run3_1"]
    texts = sorted(problems(report))
    assert "slice 0" in texts[0]
    assert "strip 3, but strips_per_slice is 2" in texts[1]


def test_a_strip_whose_row_is_done_is_skipped_without_a_look(strips, scans):
    rows = {1: "completed", 2: "failed", 3: "running", 4: None}
    for run in rows:
        strips.acquire(f"Run{run}")
    asked = []

    def known(ident):
        asked.append(ident.slice)
        return rows[ident.slice]

    service = strips.watch(known=known)
    report = strips.at(service, 0)
    assert (asked, report.skipped, report.files, scans.listings) == ([1, 2, 3, 4], 2, 4, 3)
    assert [unit[1:] for unit in strips.notes.units] == [("skipped", "completed"), ("skipped", "failed")]
    report = strips.at(service, 10)
    assert (asked, strips.done(), report.skipped) == ([1, 2, 3, 4], ["Run3", "Run4"], 0)
    strips.rows["slice-01/channel-01/strip-0001"] = "another fingerprint"
    strips.acquire("Run1", files=3)
    for now in (20, 30):
        strips.at(service, now)
    assert strips.notes.units[-1][1:] == ("skipped", "completed; its files changed since, --force-resend takes them")


def test_a_state_that_cannot_be_asked_costs_a_look(strips, caplog):
    strips.acquire("Run1")

    def known(ident):
        raise NotNow("locked")

    service = strips.watch(known=known)
    for now in (0, 10):
        strips.at(service, now)
    assert strips.done() == ["Run1"]
    assert caplog.text.count("locked") == 1


def test_force_counts_once_per_strip_and_run(strips):
    strips.rows["slice-01/channel-01/strip-0001"] = "another fingerprint"
    folder = strips.acquire("Run1")
    service = strips.watch(force_resend=True, known=lambda ident: "completed")
    for now in (0, 10, 20):
        strips.at(service, now)
    assert [ready.force for ready in strips.dispatched] == [True]
    (folder / "more").touch()
    for now in (30, 40, 50):
        strips.at(service, now)
    assert [ready.force for ready in strips.asked] == [True, False]
    assert [unit[1] for unit in strips.notes.units] == ["dispatched", "changed", "skipped"]


def test_cleaning_up_a_taken_strip_is_no_change(strips):
    one, other = strips.acquire("Run1", files=3), strips.acquire("Run2")
    service = strips.watch(min_files=2)
    for now in (0, 10):
        strips.at(service, now)
    for path in sorted(one.iterdir())[1:]:
        path.unlink()
    (strips.folder / "processed").mkdir()
    other.rename(strips.folder / "processed" / "Run2")
    other.mkdir()
    for now in (20, 30, 60, 90):
        report = strips.at(service, now)
    assert (report.waiting, report.incomplete, report.problems, len(strips.asked)) == (0, 0, 0, 2)
    assert {unit[1] for unit in strips.notes.units} == {"dispatched"}
    strips.acquire("Run2", "new data")
    for now in (100, 110):
        report = strips.at(service, now)
    assert [unit[1] for unit in strips.notes.units[2:]] == ["changed", "skipped"]


def test_not_now_is_tried_again_without_walking_in_between(strips, scans):
    tries = []
    strips.away, strips.before_dispatch = True, lambda ready: tries.append(strips.now)
    strips.acquire("Run1")
    service = strips.watch(stability_seconds=0)
    strips.at(service, 0)
    report = strips.at(service, 1)
    assert (report.remaining, report.failed, is_settled(report)) == (1, 0, False)
    for now in range(2, 70):
        strips.at(service, now)
    assert tries == [1, 2, 4, 8, 16, 32, 62]
    assert scans.listings == 70 + 2 + len(tries) + 2  # passes, walks until ready, opening looks, one each 30 s
    strips.away = False
    report = strips.at(service, 92)
    assert is_settled(report)
    assert (len(strips.asked), strips.done()) == (1, ["Run1"])


def test_a_strip_that_moved_since_it_was_looked_at_waits_again(strips):
    folder = strips.acquire("Run1")
    service = strips.watch()
    strips.at(service, 0)
    poll = service._watcher._discover

    def poll_then_write():
        delta = poll()
        (folder / "Run1-0spool.dat").write_text("more")
        return delta

    service._watcher._discover = poll_then_write
    assert strips.at(service, 10).dispatched == 0
    service._watcher._discover = poll
    strips.at(service, 20)
    assert strips.at(service, 29).dispatched == 0
    assert strips.at(service, 30).dispatched == 1
    assert strips.notes.problems == []


def test_a_root_that_blinks_is_one_warning_and_nothing_is_forgotten(strips, caplog, scans):
    for name in ("Run1", "Run2"):
        strips.acquire(name)
    service = strips.watch()
    for now in (0, 10):
        strips.at(service, now)
    strips.acquire("Run3")
    strips.at(service, 20)
    aside = strips.folder.with_name("aside")
    strips.folder.rename(aside)
    for now in (25, 30):
        report = strips.at(service, now)
    assert report.folder_error
    assert (report.seen, report.waiting, is_settled(report)) == (3, 1, False)
    assert caplog.text.count("cannot be read") == 1
    aside.rename(strips.folder)
    report = strips.at(service, 35)
    assert (report.folder_error, strips.done()) == ("", ["Run1", "Run2", "Run3"])
    strips.folder.rename(aside)
    strips.folder.mkdir()  # an empty mount point
    assert strips.at(service, 40).seen == 0
    strips.folder.rmdir()
    aside.rename(strips.folder)
    before = scans.listings
    for now in (50, 60, 70):
        report = strips.at(service, now)
    assert (report.seen, report.waiting, len(strips.asked), scans.listings) == (3, 0, 3, before + 3)


def test_a_put_off_strip_that_blinks_is_still_taken(strips):
    strips.away = True
    service, folder = strips.watch(), strips.acquire("Run1")
    for now in (0, 10):
        strips.at(service, now)
    folder.rename(strips.folder / "aside")
    strips.at(service, 20)
    (strips.folder / "aside").rename(folder)
    strips.away = False
    for now in (30, 40):
        strips.at(service, now)
    assert (strips.done(), len(strips.asked)) == (["Run1"], 1)


def test_backfill_takes_the_oldest_first_and_live_strips_before_it(strips):
    for number, age in ((1, 50), (2, 90), (3, 70)):
        for path in strips.acquire(f"Run{number}").iterdir():
            os.utime(path, (1e9 - age, 1e9 - age))

    def slow(ready):
        strips.now += 3

    strips.before_dispatch = slow
    service = strips.watch(backfill=True)
    strips.at(service, 0)
    report = strips.at(service, 10)
    assert (report.more, report.remaining, is_settled(report)) == (True, 1, False)
    assert strips.done() == ["Run2", "Run3"]
    strips.acquire("Run9")
    service._queue.put_off((1, 1, 1, "Run1"), 100, blocking=True)
    strips.at(service, 30)
    service._queue.put_off((1, 1, 1, "Run1"), 38, blocking=True)
    assert is_settled(strips.at(service, 40))
    assert strips.done() == ["Run2", "Run3", "Run9", "Run1"]


def test_a_dry_run_asks_nobody_and_says_what_it_would_do(strips):
    strips.acquire("Run1")
    service = strips.watch(dry_run=True)
    strips.at(service, 0)
    report = strips.at(service, 10)
    assert [ready.ident.key for ready in report.would_dispatch] == ["slice-01/channel-01/strip-0001"]
    assert not strips.asked
    assert is_settled(report)
    assert strips.at(service, 20).would_dispatch == ()


def test_once_ends_when_nothing_waits(strips):
    strips.acquire("Run1")
    strips.acquire("Run2", files=0)
    report = strips.watch(stability_seconds=0).run(threading.Event(), 0.001, once=True)
    assert report.dispatched == 1
    assert [str(unit) for unit in report.incomplete_units] == ["Run2: no files"]


def test_stopping_leaves_strips_that_are_not_begun(strips):
    stop = threading.Event()
    for name in ("Run1", "Run2"):
        strips.acquire(name)
    strips.before_dispatch = lambda ready: stop.set()
    report = strips.watch(stability_seconds=0).run(stop, 0.001)
    assert (strips.done(), report.remaining) == (["Run1"], 1)


def test_stopping_leaves_folders_that_are_not_looked_into(strips, scans):
    for name in ("Run1", "Run2"):
        strips.acquire(name)
    report = strips.watch().run_pass(stopping=lambda: True)
    assert (report.seen, report.waiting, scans.listings) == (2, 0, 1)


def test_a_linked_folder_is_a_strip_and_the_fingerprint_is_the_same_everywhere(strips, tmp_path):
    real = strips.acquire("Run1")
    service = strips.watch()
    for now in (0, 10):
        strips.at(service, now)
    moved = tmp_path / "elsewhere"
    real.rename(moved)
    (strips.folder / "Run2").symlink_to(moved, target_is_directory=True)
    for now in (20, 30):
        strips.at(service, now)
    assert strips.done() == ["Run1", "Run2"]
    assert len({ready.fingerprint for ready in strips.dispatched}) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slice_offset": 999_999_999}, "--slice-offset"),
        ({"pattern": ""}, "--pattern"),
        ({"min_files": 0}, "--min-files"),
        ({"stability_seconds": -1}, "--stability-seconds"),
    ],
)
def test_what_cannot_work_is_refused_at_start(strips, options, message):
    with pytest.raises(BadInput, match=message):
        strips.watch(**options)


def test_a_folder_that_is_none_is_refused_at_start(strips):
    strips.folder.rmdir()
    with pytest.raises(BadInput, match="the folder of the strips"):
        strips.watch()
