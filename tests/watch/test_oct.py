import threading
from datetime import UTC, datetime

import pytest

from opticstream.core.errors import BadFile, BadInput
from opticstream.watch import NotNow, is_settled


def test_a_batch_is_dispatched_once_when_it_is_stable(bench):
    files = bench.batch(1, 1, "data")
    service = bench.watch()
    assert bench.at(service, 0).waiting == 1
    assert bench.at(service, 9).dispatched == 0
    report = bench.at(service, 10)
    assert (report.seen, report.ready, report.registered, report.dispatched, report.files) == (1, 1, 1, 1, 2)
    (ready,) = bench.dispatched
    assert (str(ready.ident), ready.source_mosaic) == ("oct/brain/slice-01/mosaic-001/batch-001", 1)
    assert (ready.files, ready.total_bytes, len(ready.fingerprint)) == (tuple(files), 8, 64)
    assert not ready.force
    for now in range(20, 200, 20):
        bench.at(service, now)
    assert len(bench.asked) == len(bench.dispatched) == 1
    assert bench.notes.reports[-1].waiting == 0


def test_a_growing_file_holds_back_only_its_own_batch(bench):
    service = bench.watch()
    bench.batch(1, 1)
    for now in range(0, 40, 5):
        bench.tile(1, 3, "x" * (now + 1))
        bench.tile(1, 4)
        bench.at(service, now)
    assert bench.done() == [(1, 1)]
    for now in (40, 45):
        bench.at(service, now)
    assert bench.done() == [(1, 1), (1, 2)]


def test_all_ready_batches_are_taken_in_one_pass_in_order(bench):
    for mosaic, batch in [(2, 2), (1, 3), (2, 1), (1, 1)]:
        bench.batch(mosaic, batch)
    service = bench.watch()
    bench.at(service, 0)
    assert bench.at(service, 10).dispatched == 4
    assert bench.done() == [(1, 1), (1, 3), (2, 1), (2, 2)]


def test_a_batch_that_fails_does_not_stop_the_others(bench, caplog):
    def fail(ready):
        if ready.ident.batch == 1:
            raise RuntimeError("no licence")

    bench.before_dispatch = fail
    bench.batch(1, 1)
    bench.batch(1, 2)
    service = bench.watch()
    bench.at(service, 0)
    report = bench.at(service, 10)
    assert (report.registered, report.dispatched, report.failed) == (2, 1, 1)
    assert is_settled(report)
    assert ("oct/brain/slice-01/mosaic-001/batch-001", "failed", "no licence") in bench.notes.units
    assert "no licence" in caplog.text
    bench.at(service, 100)
    assert service.totals["failed"] == 1


def test_a_skip_is_told_once_with_its_status(bench):
    bench.rows["slice-01/mosaic-001/batch-001"] = "another fingerprint"
    bench.batch(1, 1)
    service = bench.watch()
    for now in (0, 10, 20, 30):
        bench.at(service, now)
    ((_, outcome, detail),) = bench.notes.units
    assert outcome == "skipped"
    assert detail.startswith("completed; its files changed")
    assert service.totals == {"skipped": 1}


def test_changed_files_of_a_taken_unit_are_shown_and_asked_about_again(bench):
    bench.batch(1, 1)
    service = bench.watch()
    for now in (0, 10):
        bench.at(service, now)
    for now in (20, 25):
        bench.tile(1, 1, "x" * now)
        bench.at(service, now)
    bench.at(service, 35)
    assert [outcome for _, outcome, _ in bench.notes.units] == ["dispatched", "changed", "skipped"]
    assert len(bench.dispatched) == 1


def test_force_counts_once_per_unit_and_run(bench):
    bench.rows["slice-01/mosaic-001/batch-001"] = "another fingerprint"
    bench.batch(1, 1)
    service = bench.watch(force_resend=True)
    for now in (0, 10, 20):
        bench.at(service, now)
    assert [ready.force for ready in bench.dispatched] == [True]
    bench.tile(1, 1, "changed")
    for now in (30, 40, 50):
        bench.at(service, now)
    assert [ready.force for ready in bench.asked] == [True, False]
    assert len(bench.dispatched) == 1


def test_not_now_is_tried_again_later_without_asking_the_gate_again(bench):
    away, tries = [True], []

    def fail(ready):
        tries.append(bench.now)
        if away[0]:
            raise NotNow("the API is away")

    bench.before_dispatch = fail
    bench.batch(1, 1)
    service = bench.watch(force_resend=True, stability_seconds=0)
    bench.at(service, 0)
    report = bench.at(service, 1)
    assert (report.remaining, report.failed, is_settled(report)) == (1, 0, False)
    for now in range(2, 200):
        bench.at(service, now)
    assert tries == [1, 2, 4, 8, 16, 32, 62, 92, 122, 152, 182]
    away[0] = False
    report = bench.at(service, 212)
    assert is_settled(report)
    assert len(bench.asked) == 1
    assert [ready.force for ready in bench.dispatched] == [True]


def test_a_registered_unit_whose_files_change_before_dispatch_is_dispatched_as_it_is_then(bench):
    away = [True]

    def fail(ready):
        if away[0]:
            raise NotNow

    bench.before_dispatch = fail
    bench.batch(1, 1)
    service = bench.watch()
    for now in (0, 10):
        bench.at(service, now)
    bench.tile(1, 1, "changed")
    away[0] = False
    assert bench.at(service, 20).dispatched == 0
    bench.at(service, 30)
    assert [ready.total_bytes for ready in bench.dispatched] == [8]
    assert len(bench.asked) == 1


@pytest.mark.parametrize("error", [NotNow("locked"), RuntimeError("disk full")])
def test_a_gate_that_cannot_answer_is_asked_again(bench, error):
    service = bench.watch(stability_seconds=0)
    gate, errors = service._admission._gate, [error, error]
    service._admission._gate = lambda ready: gate(ready) if not errors else _throw(errors.pop())
    bench.batch(1, 1)
    for now in (0, 1, 2):
        bench.at(service, now)
    assert is_settled(bench.notes.reports[-1]) == isinstance(error, RuntimeError)
    bench.at(service, 4)
    assert bench.done() == [(1, 1)]


def _throw(error):
    raise error


def test_backfill_takes_the_oldest_first_and_live_units_before_it(bench):
    import os

    for batch, age in ((1, 50), (2, 90), (3, 70)):
        for path in bench.batch(1, batch):
            when = datetime(2026, 1, 1, tzinfo=UTC).timestamp() - age
            os.utime(path, (when, when))

    def slow(ready):
        bench.now += 3

    bench.before_dispatch = slow
    service = bench.watch(backfill=True)
    bench.at(service, 0)
    report = bench.at(service, 10)
    assert (report.more, report.remaining, is_settled(report)) == (True, 1, False)
    assert bench.done() == [(1, 2), (1, 3)]
    bench.batch(2, 1)
    bench.batch(2, 2)
    bench.before_dispatch = lambda ready: None
    service._queue.put_off((1, 1), 100, blocking=True)
    bench.at(service, 30)
    service._queue.put_off((1, 1), 38, blocking=True)
    assert is_settled(bench.at(service, 40))
    assert bench.done() == [(1, 2), (1, 3), (2, 1), (2, 2), (1, 1)]


def test_a_dry_run_asks_nobody_and_says_what_it_would_do(bench):
    bench.batch(1, 1)
    service = bench.watch(dry_run=True)
    bench.at(service, 0)
    report = bench.at(service, 10)
    assert [str(ready.ident.key) for ready in report.would_dispatch] == ["slice-01/mosaic-001/batch-001"]
    assert not bench.asked
    assert is_settled(report)
    assert bench.at(service, 20).would_dispatch == ()


def test_once_ends_when_nothing_waits_and_lists_what_is_incomplete(bench):
    bench.batch(1, 1)
    bench.tile(1, 3)
    report = bench.watch(stability_seconds=0).run(threading.Event(), 0.001, once=True)
    assert report.dispatched == 1
    assert [str(unit) for unit in report.incomplete_units] == ["mosaic 1 batch 2: 1 of 2 files, missing tiles 4"]


def test_stopping_leaves_units_that_are_not_begun(bench):
    stop = threading.Event()
    bench.batch(1, 1)
    bench.batch(1, 2)
    bench.before_dispatch = lambda ready: stop.set()
    service = bench.watch(stability_seconds=0)
    report = service.run(stop, 0.001)
    assert bench.done() == [(1, 1)]
    assert report.remaining == 1


def test_a_bad_file_is_left_out_and_reported_once_until_it_changes(bench):
    looked = []

    def check(path, kind):
        looked.append((path.name[-34:-30], kind))
        if path.read_text() == "torn":
            raise BadFile(str(path), found="half a file")

    path = bench.tile(1, 1, "torn")
    bench.tile(1, 2)
    service = bench.watch(check=check)
    for now in (0, 5, 10, 20, 100):
        report = bench.at(service, now)
    assert len(looked) == 2
    assert len(bench.notes.problems) == report.problems == 1
    assert str(path) in str(bench.notes.problems[0])
    assert is_settled(report)
    path.write_text("whole now")
    for now in (110, 120):
        bench.at(service, now)
    assert len(looked) == 3
    assert bench.done() == [(1, 1)]
    assert bench.notes.reports[-1].problems == 0


def test_a_file_that_cannot_be_opened_is_tried_again_without_having_changed(bench, monkeypatch):
    denied = [True]

    def check(path, kind):
        if denied[0]:
            raise PermissionError(13, "Permission denied", str(path))

    bench.batch(1, 1)
    service = bench.watch(check=check)
    for now in (0, 10, 11, 13):
        report = bench.at(service, now)
    assert report.problems == 2
    assert len(bench.notes.problems) == 2
    assert is_settled(report)
    denied[0] = False
    bench.at(service, 60)
    assert bench.done() == [(1, 1)]


def test_a_file_that_moved_since_it_was_listed_waits_again(bench):
    first, _ = bench.batch(1, 1)
    service = bench.watch()
    bench.at(service, 0)
    poll = service._watcher._discover

    def poll_then_write():
        delta = poll()
        first.write_text("more")
        return delta

    service._watcher._discover = poll_then_write
    assert bench.at(service, 10).dispatched == 0
    service._watcher._discover = poll
    bench.at(service, 20)
    assert bench.at(service, 29).dispatched == 0
    assert bench.at(service, 30).dispatched == 1
    assert bench.notes.problems == []


def test_a_folder_that_blinks_is_one_warning_and_nothing_is_forgotten(bench, caplog):
    bench.batch(1, 1)
    bench.batch(1, 2)
    service = bench.watch()
    for now in (0, 10):
        bench.at(service, now)
    bench.batch(1, 3)
    bench.at(service, 20)
    aside = bench.folder.with_name("aside")
    bench.folder.rename(aside)
    for now in (25, 30, 35):
        report = bench.at(service, now)
    assert report.folder_error
    assert (report.seen, report.waiting, report.dispatched, is_settled(report)) == (3, 1, 0, False)
    assert caplog.text.count("cannot be read") == 1
    aside.rename(bench.folder)
    report = bench.at(service, 40)
    assert (report.folder_error, bench.done()) == ("", [(1, 1), (1, 2), (1, 3)])


def test_a_mount_point_that_is_empty_for_a_while_makes_nothing_new(bench):
    bench.batch(1, 1)
    service = bench.watch()
    for now in (0, 10):
        bench.at(service, now)
    aside = bench.folder.with_name("aside")
    bench.folder.rename(aside)
    bench.folder.mkdir()
    assert bench.at(service, 20).seen == 0
    bench.folder.rmdir()
    aside.rename(bench.folder)
    for now in (30, 40, 50):
        bench.at(service, now)
    assert len(bench.asked) == 1


def test_slice_offset_moves_source_to_logical_mosaics(bench):
    bench.batch(1, 1)
    bench.batch(2, 1)
    bench.batch(2, 3)  # one more than a tilted mosaic has
    service = bench.watch(slice_offset=4)
    for now in (0, 10):
        bench.at(service, now)
    assert [(ready.source_mosaic, ready.ident.key) for ready in bench.dispatched] == [
        (1, "slice-05/mosaic-009/batch-001"),
        (2, "slice-05/mosaic-010/batch-001"),
    ]
    assert bench.notes.reports[-1].problems == 1


def test_three_mosaics_per_slice(bench):
    for mosaic in (1, 2, 3, 4):
        bench.batch(mosaic, 3)
    service = bench.watch(mosaics_per_slice=3, slice_offset=-1, ranges="4:9")
    for now in (0, 10):
        bench.at(service, now)
    assert [ready.ident.key for ready in bench.dispatched] == ["slice-01/mosaic-001/batch-003"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slice_offset": -1}, "--slice-offset"),
        ({"slice_offset": 999_999_999}, "--slice-offset"),
        ({"ranges": "5:1"}, "mosaic ranges"),
        ({"pattern": ""}, "--pattern"),
        ({"stability_seconds": -1}, "--stability-seconds"),
    ],
)
def test_what_cannot_work_is_refused_at_start(bench, options, message):
    with pytest.raises(BadInput, match=message):
        bench.watch(**options)


def test_a_folder_that_is_none_is_refused_at_start(bench):
    bench.folder.rmdir()
    with pytest.raises(BadInput, match="acquisition folder"):
        bench.watch()


def test_the_poll_interval_must_be_above_zero(bench):
    with pytest.raises(BadInput, match="--poll-interval"):
        bench.watch().run(threading.Event(), 0)


def test_the_log_is_the_default_observer(bench, caplog):
    caplog.set_level("INFO")
    bench.batch(1, 1)
    bench.tile(1, 0)
    service = bench.watch(observer=None)
    for now in (0, 10, 20):
        bench.at(service, now)
    assert caplog.text.count("batch-001: dispatched, 2 files") == 1
    assert caplog.text.count("counted from 1") == 1


def test_a_put_off_unit_that_blinks_is_still_taken(bench):
    def away(ready):
        raise NotNow

    bench.before_dispatch = away
    (path, _) = bench.batch(1, 1)
    service = bench.watch(stability_seconds=0)
    for now in (0, 1):
        bench.at(service, now)
    path.rename(bench.folder / "aside")
    bench.at(service, 10)
    (bench.folder / "aside").rename(path)
    bench.before_dispatch = lambda ready: None
    for now in (20, 21):
        bench.at(service, now)
    assert (bench.done(), len(bench.asked)) == ([(1, 1)], 1)
