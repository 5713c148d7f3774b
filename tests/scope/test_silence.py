"""Who tells of processes that are not heard of."""

from hypothesis import given
from hypothesis import strategies as st

from opticstream.scope.orchestration.silence import Silence, SilenceWatch


def told(watch: SilenceWatch, now: float, **heard: float) -> list[tuple[str, float, bool]]:
    return [(one.name, one.seconds, one.over) for one in watch.look(now, heard)]


def test_silence_is_told_once_and_its_end_once():
    watch = SilenceWatch(10.0)
    assert all(told(watch, now, a=100.0, b=now, new=0.0) == [] for now in range(100, 111))
    assert told(watch, 111, a=100.0, b=111, new=0.0) == [("a", 11.0, False)]
    assert told(watch, 112, a=100.0, b=112, new=0.0) == [] and watch.silent == {"a": 12.0}
    assert told(watch, 113, a=112.5, b=113, new=0.0) == [("a", 12.0, True)] and watch.silent == {}


def test_a_process_that_is_often_long_is_told_of_once():
    watch, found = SilenceWatch(10.0), []
    for now in range(1000, 1600):
        found += told(watch, now, a=now - now % 30)
    assert [over for _, _, over in found] == [False, True]


def test_who_starts_anew_is_waited_for_as_at_first():
    watch = SilenceWatch(10.0)
    for now in range(100, 115):
        watch.look(now, {"a": 99.0})
    watch.forget("a")
    assert told(watch, 115, a=0.0) == [] and watch.silent == {}
    assert [one for now in range(116, 128) for one in told(watch, now, a=115.5)] == [("a", 10.5, False)]


def test_a_computer_that_slept_makes_nobody_silent():
    watch = SilenceWatch(10.0)
    watch.look(100, {"a": 100.0, "b": 85.0})
    assert told(watch, 5000, a=100.0, b=85.0) == [] and watch.silent == {"b": 15.0}
    assert told(watch, 5001, a=5000.5, b=5000.6) == [("b", 15.0, True)]
    assert [one for now in range(5002, 5015) for one in told(watch, now, a=5000.5, b=now)] == [("a", 10.5, False)]


@given(st.lists(st.tuples(st.floats(0.1, 20.0), st.booleans()), max_size=60))
def test_silence_and_its_end_take_turns(steps):
    watch, now, heard, said = SilenceWatch(5.0), 100.0, 100.0, []
    for passed, turn in steps:
        now += passed
        heard = now if turn else heard
        found: list[Silence] = watch.look(now, {"a": heard})
        said += [one.over for one in found]
        assert ("a" in watch.silent) == bool(said and not said[-1])
    assert said == [bool(place % 2) for place in range(len(said))]
