"""Every frame number has exactly one outcome."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.core.errors import BadInput
from opticstream.scope.frame_ledger import FrameLedger, FrameOutcome, FrameRange

_KINDS = st.sampled_from(["tracked", "purged", "skipped", "failed", "dropped", "settle"])
_STEPS = st.lists(st.tuples(_KINDS, st.integers(0, 60), st.integers(0, 8), st.integers(1, 3), st.sampled_from("ab")))


@given(steps=_STEPS, expect=st.none() | st.integers(0, 20))
def test_it_agrees_with_a_dictionary(steps: list[tuple[str, int, int, int, str]], expect: int | None) -> None:
    ledger, model = FrameLedger(), dict[int, tuple[FrameOutcome, str]]()
    if expect is not None:
        ledger.expect(expect)
    for kind, first, length, stride, reason in steps:
        numbers = range(first, first + length + 1, stride)
        covered = range(first, numbers[-1] + 1)
        if kind == "settle":
            ledger.settle(first)
            start = expect if expect is not None else min(model, default=first + 1)
            for number in range(start, first + 1):
                model.setdefault(number, (FrameOutcome.DROPPED, ""))
            continue
        fits = not any(number in model for number in covered) and (expect is None or first >= expect)
        before = ledger.ranges()
        if kind == "tracked":
            new = {n: (FrameOutcome.TRACKED if n in numbers else FrameOutcome.DROPPED, "") for n in covered}
            report = (np.array(numbers, np.uint64),)
        else:
            new = {n: (FrameOutcome[kind.upper()], reason) for n in covered}
            report = (first, covered[-1], reason)  # type: ignore[assignment]
        if fits:
            getattr(ledger, kind)(*report)
            model |= new
        else:
            with pytest.raises(BadInput):
                getattr(ledger, kind)(*report)
            assert ledger.ranges() == before
    seen = {n: (r.outcome, r.reason) for r in ledger.ranges() for n in range(r.first, r.last + 1)}
    assert seen == model
    assert sum(len(r) for r in ledger.ranges()) == len(model)
    for one, other in zip(ledger.ranges(), ledger.ranges()[1:], strict=False):
        assert one.last < other.first
        assert one.last + 1 < other.first or (one.outcome, one.reason) != (other.outcome, other.reason)
    for outcome in FrameOutcome:
        assert ledger.counts()[outcome] == sum(found is outcome for found, _ in model.values())
    low = expect if expect is not None else min(model, default=0)
    missing = [n for n in range(low, max(model, default=low - 1) + 1) if n not in model]
    assert ledger.open_frames() == len(missing)
    if missing:
        with pytest.raises(BadInput, match="without an outcome"):
            ledger.check()
    else:
        ledger.check()


def test_a_day_of_frames_is_small() -> None:
    ledger = FrameLedger()
    ledger.expect(0)
    frames, stack = 24 * 3600 * 100, 4000
    for first in range(0, frames, stack):
        numbers = np.arange(first, first + stack, dtype=np.uint64)
        ledger.tracked(np.delete(numbers, 17) if first % 20_000 == 0 else numbers)
    ledger.check()
    assert ledger.counts()[FrameOutcome.DROPPED] == frames // 20_000
    assert sum(ledger.counts().values()) == frames
    assert len(ledger.ranges()) <= 2 * frames // 20_000 + 1


def test_late_stacks_fill_the_gap() -> None:
    ledger = FrameLedger()
    ledger.tracked(np.arange(10, 20))
    ledger.purged(30, 39, "buffer full")
    assert ledger.open_frames() == 10
    ledger.tracked(np.arange(20, 30))
    ledger.check()
    assert ledger.ranges() == [
        FrameRange(10, 29, FrameOutcome.TRACKED),
        FrameRange(30, 39, FrameOutcome.PURGED, "buffer full"),
    ]
    assert ledger.ranges(FrameOutcome.FAILED) == []


@pytest.mark.parametrize("numbers", [[3, 2], [1, 1], [[1, 2]], [1.5]])
def test_what_is_no_list_of_numbers_is_refused(numbers: list[object]) -> None:
    with pytest.raises(BadInput):
        FrameLedger().tracked(numbers)


def test_empty_and_negative_ranges_are_refused() -> None:
    ledger = FrameLedger()
    ledger.tracked([])
    assert ledger.ranges() == []
    for first, last in ((5, 4), (-1, 3)):
        with pytest.raises(BadInput):
            ledger.purged(first, last)
    ledger.tracked([5])
    with pytest.raises(BadInput):
        ledger.expect(6)


@given(
    first=st.integers(0, 20),
    stacks=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6), st.sampled_from(FrameOutcome)), max_size=12),
    again=st.integers(0, 3),
)
def test_stacks_that_follow_leave_no_frame_without_an_outcome(
    first: int, stacks: list[tuple[int, int, FrameOutcome]], again: int
) -> None:
    ledger, copy, seen = FrameLedger(), FrameLedger(), list[list[int]]()
    following = first
    for gap, length, outcome in stacks:
        numbers = list(range(following + gap, following + gap + length))
        following = numbers[-1] + 1
        if len(numbers) > 3:
            del numbers[1]
        seen.append(numbers)
        for entered in ledger.follow(numbers, outcome):
            copy.add(entered)
    before = ledger.ranges()
    for numbers in seen[len(seen) - again :]:
        assert ledger.follow(numbers, FrameOutcome.FAILED) == ()
    assert ledger.ranges() == before == copy.ranges()
    ledger.check()
    given_out = sum(len(numbers) for numbers in seen)
    covered = sum(ledger.counts().values())
    assert covered == (0 if not seen else following - seen[0][0]) >= given_out
    assert ledger.newest == (following - 1 if seen else None)


@given(
    runs=st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 5), st.sampled_from(FrameOutcome)), min_size=1, max_size=9
    ),
    taken_back=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 12)), max_size=5),
    cut=st.integers(0, 60),
)
def test_what_is_taken_back_is_tracked_no_longer_and_nothing_else_changes(
    runs: list[tuple[int, int, FrameOutcome]], taken_back: list[tuple[int, int]], cut: int
) -> None:
    ledger, model, at = FrameLedger(), dict[int, FrameOutcome](), 0
    for gap, length, outcome in runs:
        at += gap
        ledger.add(FrameRange(at, at + length - 1, outcome))
        model |= dict.fromkeys(range(at, at + length), outcome)
        at += length
    for first, more in taken_back:
        ledger.not_stored(first, first + more)
        for number in range(first, first + more + 1):
            if model.get(number) is FrameOutcome.TRACKED:
                model[number] = FrameOutcome.NOT_STORED
    for found, numbers in ((ledger, model), (ledger.before(cut), {n: o for n, o in model.items() if n < cut})):
        assert {n: one.outcome for one in found.ranges() for n in range(one.first, one.last + 1)} == numbers
        for outcome in FrameOutcome:
            assert found.counts()[outcome] == sum(one is outcome for one in numbers.values())
        for one, other in itertools.pairwise(found.ranges()):
            assert one.last + 1 < other.first or one.outcome is not other.outcome
