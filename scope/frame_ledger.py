"""What became of each frame of the camera: none vanishes without a line."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike

from opticstream.core.errors import BadInput


class FrameOutcome(IntEnum):
    """What became of a frame; the numbers stand in files."""

    TRACKED = 1
    """Its beads were tracked, or its pixels recorded where the mode asks for video only."""
    SKIPPED = 2
    """Acquisition was off."""
    PURGED = 3
    """Thrown away by the scope to make room."""
    FAILED = 4
    """Taken for tracking, which did not succeed."""
    DROPPED = 5
    """Never came from the camera, or found no room: a gap in the numbers."""
    NOT_STORED = 6
    """Tracked while the scope saved, but the files could not take them."""


@dataclass(frozen=True, slots=True)
class FrameRange:
    """Frames one after the other with the same outcome for the same reason."""

    first: int
    last: int
    """The range's last frame, included."""
    outcome: FrameOutcome
    reason: str = ""

    def __len__(self) -> int:
        return self.last - self.first + 1


class FrameLedger:
    """Gives every frame number exactly one outcome; what is alike and adjacent is one range.

    Frames may be reported in any order, each once. Numbers that nobody reported are open until :meth:`settle` says
    that no report of them can come any more; then they are dropped frames. Gaps within one call of :meth:`tracked`
    are dropped frames at once, because a stack leaves the buffer without holes. Memory grows with the number of
    ranges, not of frames.
    """

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._ranges: list[FrameRange] = []
        self._counts = dict.fromkeys(FrameOutcome, 0)
        self._expected: int | None = None

    def expect(self, first_number: int) -> None:
        """Say which frame is the first that counts; frames missing from there on are dropped ones.

        Raises:
            BadInput: an earlier frame has an outcome already.
        """
        if self._ranges and first_number > self._ranges[0].first:
            expected = f"at most {self._ranges[0].first}, which has an outcome"
            raise BadInput("frame ledger: first frame", found=f"{first_number}", expected=expected)
        self._expected = first_number

    @property
    def newest(self) -> int | None:
        """The highest number that has an outcome."""
        return self._ranges[-1].last if self._ranges else None

    def follow(self, numbers: ArrayLike, outcome: FrameOutcome, reason: str = "") -> tuple[FrameRange, ...]:
        """Add a stack of frames, given out in the order of their numbers: what is missing before and in it was dropped.

        Args:
            numbers: the camera's, increasing, (F,). Those that have an outcome already keep it: a stack may come again
                when a process that had it died.
            outcome: of them all.
            reason: of that outcome.

        Returns:
            What was entered.
        """
        entered: list[FrameRange] = []
        following = self._expected if self.newest is None else self.newest + 1
        found = np.asarray(numbers)
        for run in np.split(found, np.flatnonzero(np.diff(found) != 1) + 1):
            if not len(run) or (following is not None and run[-1] < following):
                continue
            first, last = int(run[0]), int(run[-1])
            if following is not None:
                if first > following:
                    entered.append(FrameRange(following, first - 1, FrameOutcome.DROPPED))
                first = max(first, following)
            entered.append(FrameRange(first, last, outcome, reason))
            following = last + 1
        for frames in entered:
            self.add(frames)
        return tuple(entered)

    def tracked(self, numbers: ArrayLike) -> None:
        """Add a stack that was tracked.

        Args:
            numbers: the camera's, increasing, (F,); gaps are entered as dropped frames.

        Raises:
            BadInput: the numbers do not increase, or one has an outcome already; nothing is entered.
        """
        found = np.asarray(numbers)
        if found.ndim != 1 or (len(found) and found.dtype.kind not in "iu"):
            raise BadInput(
                "frame ledger: frame numbers", found=f"{found.dtype} {found.shape}", expected="integers (F,)"
            )
        if not len(found):
            return
        if (found[1:] <= found[:-1]).any():
            raise BadInput("frame ledger: frame numbers", found="numbers that do not increase", expected="increasing")
        breaks = np.flatnonzero(found[1:] - found[:-1] != 1)
        firsts = [int(found[0]), *map(int, found[breaks + 1])]
        lasts = [*map(int, found[breaks]), int(found[-1])]
        self._free(firsts[0], lasts[-1])
        for index, (first, last) in enumerate(zip(firsts, lasts, strict=True)):
            if index:
                self._enter(FrameRange(lasts[index - 1] + 1, first - 1, FrameOutcome.DROPPED))
            self._enter(FrameRange(first, last, FrameOutcome.TRACKED))

    def purged(self, first: int, last: int, reason: str = "") -> None:
        """Add frames that the scope threw away; ``last`` is included. Raises BadInput like :meth:`add`."""
        self.add(FrameRange(first, last, FrameOutcome.PURGED, reason))

    def skipped(self, first: int, last: int, reason: str = "") -> None:
        """Add frames that came while acquisition was off. Raises BadInput like :meth:`add`."""
        self.add(FrameRange(first, last, FrameOutcome.SKIPPED, reason))

    def failed(self, first: int, last: int, reason: str = "") -> None:
        """Add frames whose tracking did not succeed. Raises BadInput like :meth:`add`."""
        self.add(FrameRange(first, last, FrameOutcome.FAILED, reason))

    def dropped(self, first: int, last: int, reason: str = "") -> None:
        """Add frames that the camera or its buffer is known to have dropped. Raises BadInput like :meth:`add`."""
        self.add(FrameRange(first, last, FrameOutcome.DROPPED, reason))

    def add(self, frames: FrameRange) -> None:
        """Add a range.

        Raises:
            BadInput: it is empty or negative, or one of its frames has an outcome already; nothing is entered.
        """
        if not 0 <= frames.first <= frames.last:
            raise BadInput(
                "frame ledger", found=f"frames {frames.first} to {frames.last}", expected="a range from 0 on"
            )
        self._free(frames.first, frames.last)
        self._enter(frames)

    def not_stored(self, first: int, last: int, reason: str = "") -> None:
        """Take back that frames were tracked, since no file has them; other outcomes stay."""
        begin = max(0, bisect_right(self._firsts, first) - 1)
        end = bisect_right(self._firsts, last)
        there = self._ranges[begin:end]
        del self._firsts[begin:end], self._ranges[begin:end]
        for one in there:
            self._counts[one.outcome] -= len(one)
        for one in there:
            for part in _parts(one, first, last):
                if one.outcome is FrameOutcome.TRACKED and first <= part.first <= last:
                    part = replace(part, outcome=FrameOutcome.NOT_STORED, reason=reason)
                self._enter(part)

    def before(self, number: int) -> "FrameLedger":
        """Return a ledger of the frames before this one alone."""
        earlier = FrameLedger()
        earlier._expected = self._expected
        for one in self._ranges[: bisect_left(self._firsts, number)]:
            earlier._enter(replace(one, last=min(one.last, number - 1)))
        return earlier

    def settle(self, last_number: int) -> None:
        """Enter every number up to ``last_number`` that has no outcome as dropped: no report of it will come."""
        for first, last in list(self._open(last_number)):
            self._enter(FrameRange(first, last, FrameOutcome.DROPPED))

    def counts(self) -> dict[FrameOutcome, int]:
        """Return the number of frames of each outcome."""
        return dict(self._counts)

    def ranges(self, outcome: FrameOutcome | None = None) -> list[FrameRange]:
        """Return the ranges by number, all or those of one outcome."""
        return [found for found in self._ranges if outcome is None or found.outcome is outcome]

    def open_frames(self) -> int:
        """Return how many numbers between the first and the newest have no outcome yet."""
        if not self._ranges:
            return 0
        return sum(last - first + 1 for first, last in self._open(self._ranges[-1].last))

    def check(self) -> None:
        """Make sure that every number from the first to the newest has exactly one outcome.

        Raises:
            BadInput: some have none; they are named. :meth:`settle` comes before.
        """
        if self._ranges and (gap := next(self._open(self._ranges[-1].last), None)) is not None:
            found = f"frames {gap[0]} to {gap[1]} without an outcome, {self.open_frames()} in all"
            raise BadInput("frame ledger", found=found, expected="one for each frame")

    def _open(self, last_number: int) -> Iterator[tuple[int, int]]:
        if self._expected is not None:
            start = self._expected
        elif self._ranges:
            start = self._ranges[0].first
        else:
            return
        for found in self._ranges:
            if found.first > last_number:
                break
            if found.first > start:
                yield start, found.first - 1
            start = found.last + 1
        if start <= last_number:
            yield start, last_number

    def _free(self, first: int, last: int) -> None:
        """Refuse frames of which one has an outcome, or that come before the first that counts."""
        if self._expected is not None and first < self._expected:
            raise BadInput("frame ledger", found=f"frame {first}", expected=f"{self._expected} or later")
        before = bisect_right(self._firsts, last) - 1
        if before >= 0 and self._ranges[before].last >= first:
            there = self._ranges[before]
            found = f"frames {first} to {last}, where {there.first} to {there.last} are {there.outcome.name} already"
            raise BadInput("frame ledger", found=found, expected="one outcome for each frame")

    def _enter(self, frames: FrameRange) -> None:
        """Put a range that is free in its place, joined with its neighbours where they are alike."""
        self._counts[frames.outcome] += len(frames)
        at = bisect_left(self._firsts, frames.first)
        first, last, begin, end = frames.first, frames.last, at, at
        if at and _alike(self._ranges[at - 1], frames) and self._ranges[at - 1].last + 1 == first:
            begin, first = at - 1, self._ranges[at - 1].first
        if at < len(self._ranges) and _alike(self._ranges[at], frames) and self._ranges[at].first == last + 1:
            end, last = at + 1, self._ranges[at].last
        self._firsts[begin:end] = [first]
        self._ranges[begin:end] = [FrameRange(first, last, frames.outcome, frames.reason)]


def _alike(one: FrameRange, other: FrameRange) -> bool:
    return one.outcome is other.outcome and one.reason == other.reason


def _parts(one: FrameRange, first: int, last: int) -> Iterator[FrameRange]:
    """Yield what of a range lies before, within and behind ``first`` to ``last``."""
    for begin, end in ((one.first, first - 1), (first, last), (last + 1, one.last)):
        begin, end = max(begin, one.first), min(end, one.last)
        if begin <= end:
            yield replace(one, first=begin, last=end)
