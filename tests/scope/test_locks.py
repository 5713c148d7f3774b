"""Locks: which moves they ask for, what does not count, and what their parameters may be."""

from typing import Any

import numpy as np
import pytest

from opticstream.scope.locks import FocusState, XYLock, ZLock
from support.lock_batches import NM_PER_PX, S, at, tracks

# The middle of 0..50 is 24.5.
ROI = (0, 50, 0, 50)


def xy_lock(**options: Any) -> XYLock:
    lock = XYLock(NM_PER_PX, **options)
    lock.set_rois(0, {3: ROI})
    return lock


@pytest.mark.parametrize(
    ("offset", "move"),
    [
        ((1.0, 0.9), None),
        ((1.01, -1.0), (1, 0)),
        ((-1.6, 2.4), (-2, 2)),
        ((40.0, -12.2), (10, -10)),
        ((0.0, 0.0), None),
        ((np.nan, 5.0), None),
    ],
)
def test_a_region_is_moved_by_whole_pixels_beyond_one(
    offset: tuple[float, float], move: tuple[int, int] | None
) -> None:
    lock = xy_lock()
    lock.feed(tracks([1, 2], [3], [at(24.5 + offset[0], 24.5 + offset[1])] * 2))
    assert lock.execute(5) == ([] if move is None else [(3, *move)])


def test_only_the_newest_tracks_count_and_only_those_of_known_beads() -> None:
    lock = xy_lock(window=2)
    lock.feed(tracks([1, 2, 3], [3, 9], [[at(60, 24.5), at(0, 0)], [at(26.5, 24.5)] * 2, [at(30.5, 24.5)] * 2]))
    assert lock.execute(5) == [(3, 4, 0)]


def test_a_move_is_waited_for_but_not_for_ever() -> None:
    lock = xy_lock()
    lock.feed(tracks([1], [3], [at(30, 24.5)]))
    assert lock.execute(S) == [(3, 6, 0)]
    assert lock.pending == {3}
    assert lock.execute(2 * S) == []
    lock.answered([3, 8])
    assert lock.execute(3 * S) != []
    assert lock.execute(4 * S) == []
    assert lock.execute(14 * S) != []


def test_frames_from_before_a_change_by_somebody_else_do_not_count() -> None:
    lock = xy_lock()
    lock.feed(tracks([1, 2], [3], [at(30, 24.5)] * 2))
    lock.set_rois(2, {3: (10, 60, 0, 50)})
    assert lock.execute(3) == []
    lock.feed(tracks([3], [3], [at(40, 24.5)]))
    assert lock.execute(4) == [(3, 6, 0)]
    lock.set_rois(5, {3: (16, 66, 0, 50)}, own=[3])
    lock.answered([3])
    lock.feed(tracks([6], [3], [at(46, 24.5)]))
    assert lock.execute(7) == [(3, 2, 0)]  # both frames: (40 + 46) / 2 - 40.5, halves to even
    lock.set_rois(8, {})
    lock.set_rois(9, {3: ROI})
    assert lock.execute(10) == []


def test_frames_from_before_it_was_switched_on_or_the_scale_changed_do_not_count() -> None:
    lock = xy_lock(interval_s=2)
    assert lock.due_ns is None
    lock.feed(tracks([1], [3], [at(30, 24.5)]))
    assert lock.set_on(5, True)
    assert lock.due_ns == 2 * S + 5
    assert lock.plan(2 * S + 4) == []
    assert lock.plan(2 * S + 5) == []
    lock.feed(tracks([3 * S], [3], [at(30.8, 24.5)]))
    assert lock.plan(4 * S + 4) == []
    assert lock.plan(5 * S) == [(3, 6, 0)]
    assert lock.due_ns == 7 * S
    lock.set_scale(8 * S, 50.0)
    lock.answered([3])
    assert lock.execute(9 * S) == []
    lock.feed(tracks([9 * S], [3], [at(14, 12.25)]))
    assert lock.execute(9 * S) == [(3, 4, 0)]
    assert not lock.set_on(10 * S, False)
    assert lock.plan(99 * S) == []


def test_new_ids_take_their_regions_along() -> None:
    lock = xy_lock()
    lock.set_rois(0, {3: ROI, 5: (100, 150, 0, 50)})
    lock.feed(tracks([1], [3, 5], [[at(30, 24.5), at(130, 24.5)]]))
    lock.renumber(2, {5: 3})
    assert lock.execute(3) == []
    lock.feed(tracks([4], [3], [at(130.5, 24.5)]))
    assert lock.execute(5) == [(3, 6, 0)]


def test_parameters_of_the_xy_lock() -> None:
    lock = xy_lock(interval_s=0, max_px=0, window=0)
    assert (lock.interval_s, lock.max_px, lock.window) == (10.0, 1, 1)
    assert [lock.set_interval(value) for value in (5, 0, -1, 0.5)] == [5, 5, 5, 0.5]
    assert [lock.set_max(value) for value in (7.6, -3, 0.2)] == [8, 1, 1]
    assert [lock.set_window(value) for value in (4, -1, 2.9)] == [4, 1, 2]
    for act in (lock.set_interval, lock.set_max, lock.set_window, lambda v: lock.set_scale(0, v)):
        for bad in (float("nan"), float("inf"), "5", None, True):
            with pytest.raises(ValueError, match="found"):
                act(bad)  # type: ignore[no-untyped-call]
    with pytest.raises(ValueError, match="nm per px"):
        XYLock(0)


RESTING = FocusState(1, 0.0, 0.0, True)


def z_lock(target: float | None = 0.0, **options: Any) -> ZLock:
    lock = ZLock(3, target, **options)
    lock.observe_focus(0, RESTING)
    lock.observe_focus(0, RESTING)
    return lock


@pytest.mark.parametrize(
    ("target", "z", "max_nm", "focus"),
    [
        (100.0, 60.0, 1000.0, 20.0),
        (0.0, 60.0, 1000.0, -30.0),
        (0.0, 3000.0, 1000.0, -500.0),
        (60.0, 60.0, 1000.0, None),
        (100.0, 60.0, 0.0, None),
        (100.0, 60.0, -5.0, None),
        (100.0, np.nan, 1000.0, None),
    ],
)
def test_half_of_the_clipped_deviation_is_corrected(
    target: float, z: float, max_nm: float, focus: float | None
) -> None:
    lock = z_lock(target, max_nm=max_nm)
    lock.feed(tracks([1, 2], [3, 4], [[at(0, 0, z), at(0, 0, 7)]] * 2))
    assert lock.execute(5) == focus


def test_without_a_target_the_present_height_becomes_it() -> None:
    lock = z_lock(None)
    assert lock.execute(1) is None
    assert lock.target_nm is None
    lock.feed(tracks([2], [3], [at(0, 0, 42)]))
    assert lock.execute(3) is None
    assert lock.target_nm == 42
    lock.feed(tracks([4], [3], [at(0, 0, 46)]))
    assert lock.execute(5) == -1  # of the mean, 44


@pytest.mark.parametrize(
    "focus", [FocusState(), FocusState(2, 0, 0, True), FocusState(1, 0, 0, False), FocusState(1, np.nan, 0, True)]
)
def test_nothing_without_exactly_one_motor_at_its_target(focus: FocusState) -> None:
    lock = ZLock(3, 0.0)
    lock.observe_focus(0, focus)
    lock.observe_focus(0, focus)
    lock.feed(tracks([1], [3], [at(0, 0, 50)]))
    assert lock.execute(2) is None


def test_only_frames_from_after_the_last_move_count() -> None:
    lock = z_lock()
    lock.feed(tracks([1], [3], [at(0, 0, 50)]))
    assert lock.execute(2) == -25
    assert lock.execute(3) is None  # no frame since
    lock.observe_focus(4, FocusState(1, -10, -25, False))
    lock.feed(tracks([5], [3], [at(0, 0, 40)]))
    lock.observe_focus(6, FocusState(1, -25, -25, True))
    lock.feed(tracks([7], [3], [at(0, 0, 24)]))
    assert lock.execute(8) == -37
    lock.observe_focus(9, FocusState(1, -25, -25, True))
    lock.feed(tracks([10], [3], [at(0, 0, 30)]))
    lock.observe_focus(11, FocusState(1, 100, 100, True))  # somebody else moved it
    assert lock.execute(12) is None
    lock.feed(tracks([13], [3], [at(0, 0, 30)]))
    assert lock.execute(14) == 85


def test_nothing_more_is_done_until_the_motor_has_heard() -> None:
    lock = z_lock()
    lock.observe_focus(0, FocusState(1, 500.0, 500.0, True))
    lock.feed(tracks([1], [3], [at(0, 0, 40.0)]))
    assert lock.execute(S) == 480.0
    lock.feed(tracks([S + 1, 2 * S], [3], [at(0, 0, 40.0)] * 2))
    lock.observe_focus(2 * S, FocusState(1, 500.0, 500.0, True))
    assert lock.execute(3 * S) is None  # a slow motor, still where it was
    lock.observe_focus(4 * S, FocusState(1, 500.0, 480.0, False))
    for _ in range(2):
        lock.observe_focus(5 * S, FocusState(1, 480.0, 480.0, True))
    lock.feed(tracks([6 * S], [3], [at(0, 0, 20.0)]))
    assert lock.execute(7 * S) == 470.0
    lock.feed(tracks([8 * S], [3], [at(0, 0, 20.0)]))
    assert lock.execute(16 * S) is None
    assert lock.execute(17 * S + 1) == 470.0  # one that never answered


def test_every_change_of_the_z_lock_discards_what_was_seen() -> None:
    acts: list[Any] = [
        lambda lock: lock.set_on(2, True),
        lambda lock: lock.set_interval(2, 5),
        lambda lock: lock.set_max(2, 5),
        lambda lock: lock.set_window(2, 5),
        lambda lock: lock.set_bead(2, 3),
        lambda lock: lock.set_target(2, 5),
        lambda lock: lock.forget_tracks(2),
    ]
    for act in acts:
        lock = z_lock()
        lock.feed(tracks([1], [3], [at(0, 0, 50)]))
        act(lock)
        assert lock.execute(3) is None
        lock.feed(tracks([4], [3], [at(0, 0, 50)]))
        assert lock.execute(5) is not None


def test_parameters_of_the_z_lock() -> None:
    lock = z_lock(interval_s=-1, max_nm=-2.5, window=0)
    assert (lock.interval_s, lock.max_nm, lock.window, lock.bead, lock.on) == (10.0, -2.5, 1, 3, False)
    assert [lock.set_interval(0, value) for value in (5, 0, 0.5)] == [5, 5, 0.5]
    assert (lock.set_window(0, 4), lock.set_max(0, 7.5), lock.set_target(0, None)) == (4, 7.5, None)
    for act in (lock.set_interval, lock.set_max, lock.set_window, lock.set_target, lock.set_bead):
        for bad in (float("nan"), float("-inf"), "5", True):
            with pytest.raises(ValueError, match="found"):
                act(0, bad)  # type: ignore[arg-type]
    for bead in (-1, 1.5):
        with pytest.raises(ValueError, match="Z-lock bead"):
            lock.set_bead(0, bead)  # type: ignore[arg-type]
    assert lock.set_on(5, True)
    assert lock.due_ns == S // 2 + 5
    assert lock.plan(S) is None
    assert lock.due_ns == S + S // 2
