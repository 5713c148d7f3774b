import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opticstream.core.errors import BadInput
from opticstream.watch import Fingerprint, StabilityEngine


def mark(version: int) -> Fingerprint:
    return (("file", version, 1),)


A, B = mark(1), mark(2)


def test_ready_once_the_fingerprint_stayed_unchanged_for_the_stability_time():
    engine = StabilityEngine[str, object](15)
    assert engine.observe({"k": A}, 0).waiting == ("k",)
    assert engine.observe({"k": A}, 14.9).ready == ()
    assert engine.observe({"k": A}, 15).ready == ("k",)
    assert engine.observe({"k": A}, 100) == engine.observe({"k": A}, 200)
    assert engine.observe({"k": A}, 300).waiting == ()


def test_without_a_stability_time_the_second_pass_is_needed():
    engine = StabilityEngine[str, object](0)
    assert engine.observe({"k": A}, 0).ready == ()
    assert engine.observe({"k": A}, 0).ready == ("k",)


def test_a_change_starts_the_wait_anew():
    engine = StabilityEngine[str, object](10)
    engine.observe({"k": A}, 0)
    assert engine.observe({"k": B}, 10).ready == ()
    assert engine.observe({"k": B}, 19).ready == ()
    assert engine.observe({"k": B}, 20).ready == ("k",)


def test_a_slow_pass_does_not_shorten_the_wait():
    engine = StabilityEngine[str, object](10)
    engine.observe({"k": A}, 0, until=4)
    assert engine.observe({"k": A}, 10).ready == ()
    assert engine.observe({"k": A}, 14).ready == ("k",)


def test_an_offered_key_that_changes_is_reported_and_offered_when_stable_again():
    engine = StabilityEngine[str, object](10)
    engine.observe({"k": A}, 0)
    engine.observe({"k": A}, 10)
    assert engine.observe({"k": B}, 20).changed == ("k",)
    assert engine.observe({"k": B}, 30).ready == ("k",)


def test_a_change_taken_back_is_the_unit_that_was_offered():
    engine = StabilityEngine[str, object](10)
    engine.observe({"k": A}, 0)
    engine.observe({"k": A}, 10)
    engine.observe({"k": B}, 20)
    assert engine.observe({"k": A}, 25).waiting == ()
    assert engine.observe({"k": A}, 99).ready == ()


def test_a_key_out_of_sight_is_remembered():
    engine = StabilityEngine[str, object](10)
    engine.observe({"k": A}, 0)
    engine.observe({"k": A}, 10)
    assert engine.observe({}, 20).gone == ("k",)
    assert engine.observe({"k": A}, 30).waiting == ()
    assert engine.observe({"k": A}, 50).ready == ()


def test_forget_offers_again_after_a_full_wait():
    engine = StabilityEngine[str, object](10)
    engine.observe({"k": A}, 0)
    engine.observe({"k": A}, 10)
    engine.forget("k")
    assert engine.observe({"k": A}, 20).ready == ()
    assert engine.observe({"k": A}, 30).ready == ("k",)


def test_negative_stability_is_refused():
    with pytest.raises(BadInput, match="--stability-seconds"):
        StabilityEngine[str, object](-1)


_passes = st.lists(
    st.tuples(st.floats(0, 7), st.dictionaries(st.sampled_from("abc"), st.integers(1, 3))), min_size=1, max_size=40
)


@settings(deadline=None, max_examples=200)
@given(stability=st.sampled_from([0.0, 1.0, 5.0, 12.0]), passes=_passes)
def test_random_folders_against_a_plain_history(stability, passes):
    engine = StabilityEngine[str, object](stability)
    now = 0.0
    history: list[tuple[float, dict[str, int]]] = []
    offered: dict[str, int] = {}
    for step, there in passes:
        now += step
        history.append((now, there))
        seen = engine.observe({key: mark(version) for key, version in there.items()}, now)
        for key, version in there.items():
            run = [when for when, state in _unbroken(history, key, version)]
            due = len(run) > 1 and now - run[-1] >= stability and offered.get(key) != version
            assert (key in seen.ready) == due, (key, run)
            if due:
                offered[key] = version
        assert set(seen.waiting) == {key for key, version in there.items() if offered.get(key) != version}


def _unbroken(history, key, version):
    for when, state in reversed(history):
        if state.get(key) != version:
            return
        yield when, state
