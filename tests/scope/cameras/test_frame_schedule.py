"""Frames are due when they should be, whatever the fetches did."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opticstream.scope.cameras.frame_schedule import FrameRate, FrameSchedule, UnixClock


@settings(deadline=None)
@given(rate=st.floats(1, 10000), steps=st.lists(st.floats(0, 0.05), max_size=20))
def test_no_frame_is_early_none_is_lost_and_the_rate_never_drifts(rate: float, steps: list[float]) -> None:
    schedule, now, times = FrameSchedule(rate), 1000.0, []
    for step in steps:
        now += step
        times += [schedule.take(now) for _ in range(schedule.due(now))]
        assert schedule.due(now) == 0
        assert 0 <= schedule.wait_s(now) <= 1 / rate + 1.1e-6
    start = times[0] if times else 0.0
    assert times == pytest.approx([start + k / rate for k in range(len(times))], abs=1e-6)
    assert all(t <= now + 1.1e-6 for t in times)
    if times:
        assert len(times) == pytest.approx((now - start) * rate + 0.5, abs=0.51)


def test_what_is_too_late_is_not_made_up_for() -> None:
    schedule = FrameSchedule(100.0, most_late_s=0.1)
    assert (schedule.due(0.0), schedule.take(0.0)) == (1, 0.0)
    assert schedule.take(0.05) == pytest.approx(0.01)
    assert schedule.take(5.0) == 5.0
    assert schedule.wait_s(5.0) == pytest.approx(0.01)


def test_another_rate_holds_from_the_last_frame_on() -> None:
    schedule = FrameSchedule(10.0)
    schedule.set_rate(20.0)
    schedule.due(0.0)
    schedule.take(0.0)
    schedule.take(0.05)
    schedule.set_rate(2.0)
    assert schedule.wait_s(0.05) == pytest.approx(0.5)
    assert schedule.rate == 2.0


def test_rate_is_that_of_the_last_second() -> None:
    measured = FrameRate()
    assert measured.per_second(0.0) == 0.0
    for k in range(400):
        measured.add(k / 200)
    assert measured.per_second(2.0) == pytest.approx(200.0)
    for k in range(300):
        measured.add(2.0 + k / 100)
    assert measured.per_second(5.0) == pytest.approx(100.0)
    assert measured.per_second(60.0) == 0.0


def test_the_clock_is_unix_time_and_goes_forward() -> None:
    clock = UnixClock()
    first, second = clock(), clock()
    assert second >= first
    assert first == pytest.approx(time.time(), abs=60)
