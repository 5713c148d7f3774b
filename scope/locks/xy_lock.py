"""Regions that follow their beads."""

from collections.abc import Iterable, Mapping

import numpy as np

from opticstream.scope.bad_value import BadValue
from opticstream.scope.locks.lock_parameters import NS, Pace, finite_number
from opticstream.scope.locks.newest_rows import NewestRows
from opticstream.scope.track_batch import TrackBatch

_IGNORED_PX = 1.0
_ANSWER_S = 10.0
_ALWAYS = np.iinfo(np.int64).min


class XYLock:
    """Moves regions so that their beads stay in the middle.

    Pure: tracks, regions and the time are handed in, moves come out. Each pass takes the mean place of a bead's
    newest ``window`` tracks; further than 1 px from the middle of its region along an axis, the region is moved by
    the rounded distance, at most ``max_px``. A bead whose last move was not answered yet is passed over, for 10 s.

    Not counted are frames from before the lock was switched on, and frames from before somebody else changed the
    bead's region. The middle of a region of n px is (n - 1) / 2 px after the middle of its first pixel.

    Args:
        nm_per_px: edge of a pixel in the sample, nm, the magnification counted in.
        interval_s: seconds between two passes.
        max_px: most that a region moves in one pass, px.
        window: newest tracks that are averaged.

    Raises:
        BadValue: (a ValueError) a parameter is no finite number.
    """

    def __init__(self, nm_per_px: float, *, interval_s: float = 10.0, max_px: float = 10.0, window: int = 10) -> None:
        self._nm_per_px = _scale(nm_per_px)
        self._pace = Pace(10.0)
        self._max, self._rows = 10, NewestRows(10, 2)
        self.set_interval(interval_s)
        self.set_max(max_px)
        self.set_window(window)
        self._cutoff = _ALWAYS
        self._cutoffs: dict[int, int] = {}
        self._corners: dict[int, tuple[int, int, int, int]] = {}
        self._pending: dict[int, int] = {}

    @property
    def on(self) -> bool:
        """Whether passes are made at intervals."""
        return self._pace.on

    @property
    def interval_s(self) -> float:
        """Seconds between two passes."""
        return self._pace.interval_s

    @property
    def max_px(self) -> int:
        """Most that a region moves in one pass, px."""
        return self._max

    @property
    def window(self) -> int:
        """Newest tracks that are averaged."""
        return self._rows.window

    @property
    def due_ns(self) -> int | None:
        """When the next pass is due, ns since 1970; None while switched off."""
        return self._pace.due_ns

    @property
    def pending(self) -> frozenset[int]:
        """Beads whose move was not answered yet."""
        return frozenset(self._pending)

    def set_on(self, now_ns: int, on: bool) -> bool:
        """Switch on or off; return what holds. Frames from before it was switched on do not count."""
        if on and not self.on:
            self._cutoff = now_ns
            self._pending.clear()
        self._pace.switch(now_ns, on)
        return self.on

    def set_interval(self, seconds: float) -> float:
        """Set the time between passes; 0 or less changes nothing. Returns what holds.

        Raises:
            BadValue: it is no finite number.
        """
        asked = finite_number("XY-lock interval", seconds)
        self._pace.interval_s = asked if asked > 0 else self.interval_s
        return self.interval_s

    def set_max(self, px: float) -> int:
        """Set the most that a region moves in one pass: rounded, at least 1. Returns what holds.

        Raises:
            BadValue: it is no finite number.
        """
        self._max = max(round(finite_number("XY-lock max", px)), 1)
        return self._max

    def set_window(self, rows: int) -> int:
        """Set how many tracks are averaged: a whole number, at least 1. Returns what holds.

        Raises:
            BadValue: it is no finite number.
        """
        self._rows.window = max(int(finite_number("XY-lock window", rows)), 1)
        return self.window

    def set_scale(self, now_ns: int, nm_per_px: float) -> None:
        """Set the edge of a pixel, nm; places of frames from before were computed with another and do not count.

        Raises:
            BadValue: it is not a finite number above 0.
        """
        self._nm_per_px = _scale(nm_per_px)
        self._cutoff = now_ns

    def set_rois(self, now_ns: int, rois: Mapping[int, Iterable[int]], own: Iterable[int] = ()) -> None:
        """Take the regions there are now.

        Args:
            now_ns: when they changed.
            rois: x0, x1, y0, y1 of every bead, px.
            own: beads whose region changed because of this lock's moves.
        """
        corners = {bead: _region(roi) for bead, roi in rois.items()}
        mine = set(own)
        for bead, region in corners.items():
            if bead in self._corners and region != self._corners[bead] and bead not in mine:
                self._cutoffs[bead] = now_ns
        for held in (self._cutoffs, self._pending):
            for bead in held.keys() - corners.keys():
                del held[bead]
        self._corners = corners
        self._rows.keep(corners.keys())

    def renumber(self, now_ns: int, renumbered: Mapping[int, int]) -> None:
        """Take new ids by old ones; frames from before still bear the old ones and do not count."""
        self._corners = {new: self._corners[old] for old, new in renumbered.items() if old in self._corners}
        self._rows.rename(renumbered)
        self._cutoffs = dict.fromkeys(self._corners, now_ns)
        self._pending.clear()

    def feed(self, batch: TrackBatch) -> None:
        """Take tracks, in the order of their frames; beads without a region are passed over."""
        known = np.array([bead in self._corners for bead in batch.bead_ids.tolist()], bool)
        self._rows.feed(batch.timestamps_ns, batch.bead_ids[known], batch.positions_nm[:, known, :2])

    def answered(self, beads: Iterable[int]) -> None:
        """Take that these beads' moves were made, or refused."""
        for bead in beads:
            self._pending.pop(bead, None)

    def plan(self, now_ns: int) -> list[tuple[int, int, int]]:
        """Return the moves (id, dx, dy) of a pass, px, if one is due; else none."""
        return self.execute(now_ns) if self._pace.turn(now_ns) else []

    def execute(self, now_ns: int) -> list[tuple[int, int, int]]:
        """Return the moves (id, dx, dy) of one pass now, px, switched on or not."""
        self._pending = {bead: t for bead, t in self._pending.items() if now_ns - t < _ANSWER_S * NS}
        beads = [bead for bead in self._corners if bead not in self._pending]
        if not beads:
            return []
        cutoffs = np.array([max(self._cutoff, self._cutoffs.get(bead, _ALWAYS)) for bead in beads], np.int64)
        regions = np.array([self._corners[bead] for bead in beads], np.float64)
        middles = (regions[:, 0::2] + regions[:, 1::2] - 1) / 2
        offsets = self._rows.means(beads, cutoffs) / self._nm_per_px - middles
        # A comparison with NaN is false: a bead without a track stays where it is.
        steps = np.where(np.abs(offsets) > _IGNORED_PX, np.rint(offsets), 0.0).clip(-self._max, self._max)
        moves = [(bead, int(x), int(y)) for bead, (x, y) in zip(beads, steps, strict=True) if x or y]
        self._pending.update({bead: now_ns for bead, _, _ in moves})
        return moves


def _region(roi: Iterable[int]) -> tuple[int, int, int, int]:
    x0, x1, y0, y1 = (int(value) for value in roi)
    return x0, x1, y0, y1


def _scale(nm_per_px: float) -> float:
    found = finite_number("nm per px", nm_per_px)
    if found <= 0:
        raise BadValue("nm per px", found=f"{found:g}", expected="more than 0")
    return found
