"""A focus that follows one bead."""

from dataclasses import dataclass

import numpy as np

from opticstream.scope.bad_value import BadValue
from opticstream.scope.locks.lock_parameters import NS, Pace, finite_number
from opticstream.scope.locks.newest_rows import NewestRows
from opticstream.scope.track_batch import TrackBatch

_ANSWER_NS = 10 * NS
"""How long a motor may take until it says another target than before."""
GAIN = 0.5
"""Share of a deviation that is corrected at once, so that noise and a late answer do not make the focus swing."""


@dataclass(frozen=True)
class FocusState:
    """What is known of the focus motors."""

    motors: int = 0
    """How many there are."""
    current_nm: float = float("nan")
    target_nm: float = float("nan")
    at_target: bool = False


class ZLock:
    """Moves the focus so that one bead keeps its height.

    Pure: tracks, the motor's state and the time are handed in, focus targets come out. Each cycle takes the mean
    height of the bead's newest ``window`` tracks; half of its distance from the target, after clipping to ``max_nm``,
    is added to the focus. Without a target the present height becomes it. Nothing is done unless there is exactly one
    focus motor and it is at its target.

    Counted are only frames from after the last change of any parameter or of the focus, whoever moved it. After a
    correction nothing more is done until the motor has said another target, for 10 s.

    Args:
        bead: id of the bead.
        target_nm: height to keep, nm on the Z-LUT's scale; None: the first that is seen.
        interval_s: seconds between two cycles.
        max_nm: largest deviation that is corrected at once, nm; 0 or less: nothing is corrected.
        window: newest heights that are averaged.

    Raises:
        BadValue: (a ValueError) a parameter is no finite number, or the bead's id is no whole number from 0.
    """

    def __init__(
        self,
        bead: int = 0,
        target_nm: float | None = None,
        *,
        interval_s: float = 10.0,
        max_nm: float = 1000.0,
        window: int = 10,
    ) -> None:
        self._pace = Pace(10.0)
        self._rows = NewestRows(10, 1)
        self._cutoff = int(np.iinfo(np.int64).min)
        self._focus = FocusState()
        self._asked_ns: int | None = None
        now = self._cutoff
        self.set_bead(now, bead)
        self.set_target(now, target_nm)
        self.set_interval(now, interval_s)
        self.set_max(now, max_nm)
        self.set_window(now, window)

    @property
    def on(self) -> bool:
        """Whether cycles are made at intervals."""
        return self._pace.on

    @property
    def interval_s(self) -> float:
        """Seconds between two cycles."""
        return self._pace.interval_s

    @property
    def window(self) -> int:
        """Newest heights that are averaged."""
        return self._rows.window

    @property
    def bead(self) -> int:
        """Id of the bead."""
        return self._bead

    @property
    def target_nm(self) -> float | None:
        """Height to keep, nm; None: the first that is seen becomes it."""
        return self._target

    @property
    def max_nm(self) -> float:
        """Largest deviation that is corrected at once, nm."""
        return self._max

    @property
    def due_ns(self) -> int | None:
        """When the next cycle is due, ns since 1970; None while switched off."""
        return self._pace.due_ns

    def set_on(self, now_ns: int, on: bool) -> bool:
        """Switch on or off; return what holds."""
        self._pace.switch(now_ns, on)
        self._cutoff = now_ns
        return self.on

    def set_interval(self, now_ns: int, seconds: float) -> float:
        """Set the time between cycles; 0 or less changes nothing. Returns what holds.

        Raises:
            BadValue: it is no finite number.
        """
        asked = finite_number("Z-lock interval", seconds)
        if asked > 0:
            self._pace.interval_s = asked
            self._cutoff = now_ns
        return self.interval_s

    def set_max(self, now_ns: int, nm: float) -> float:
        """Set the largest deviation that is corrected at once; with 0 or less nothing is. Returns what holds.

        Raises:
            BadValue: it is no finite number.
        """
        self._max = finite_number("Z-lock max", nm)
        self._cutoff = now_ns
        return self._max

    def set_window(self, now_ns: int, rows: int) -> int:
        """Set how many heights are averaged: a whole number, at least 1. Returns what holds.

        Raises:
            BadValue: it is no finite number.
        """
        self._rows.window = max(int(finite_number("Z-lock window", rows)), 1)
        self._cutoff = now_ns
        return self.window

    def set_bead(self, now_ns: int, bead: int) -> int:
        """Set which bead is kept in focus. Returns what holds.

        Raises:
            BadValue: its id is no whole number from 0.
        """
        asked = finite_number("Z-lock bead", bead)
        if asked < 0 or asked != int(asked):
            raise BadValue("Z-lock bead", found=repr(bead), expected="the id of a bead, 0 or more")
        self._bead = int(asked)
        self._rows.clear()
        self._cutoff = now_ns
        return self._bead

    def set_target(self, now_ns: int, nm: float | None) -> float | None:
        """Set the height to keep; None: the first that is seen becomes it. Returns what holds.

        Raises:
            BadValue: it is neither None nor a finite number.
        """
        self._target = None if nm is None else finite_number("Z-lock target", nm)
        self._cutoff = now_ns
        return self._target

    def forget_tracks(self, now_ns: int) -> None:
        """Count only later frames, as when a Z-LUT is loaded, a bead renumbered or its region changed."""
        self._cutoff = now_ns

    def observe_focus(self, now_ns: int, state: FocusState) -> None:
        """Take the motor's state; while it moves, and when its target was changed by anybody, no frame counts."""
        # Also the first sign of arrival: since when the motor rests is not known, only that it moved before.
        resting = state.at_target and self._focus.at_target
        if not resting or not np.array_equal(state.target_nm, self._focus.target_nm, equal_nan=True):
            self._cutoff = max(self._cutoff, now_ns)
        if state.target_nm != self._focus.target_nm:
            self._asked_ns = None
        self._focus = state

    def feed(self, batch: TrackBatch) -> None:
        """Take tracks, in the order of their frames."""
        mine = batch.bead_ids == self._bead
        self._rows.feed(batch.timestamps_ns, batch.bead_ids[mine], batch.positions_nm[:, mine, 2:])

    def plan(self, now_ns: int) -> float | None:
        """Return where the focus is to go, nm, if a cycle is due and there is something to correct; else None."""
        return self.execute(now_ns) if self._pace.turn(now_ns) else None

    def execute(self, now_ns: int) -> float | None:
        """Return where the focus is to go, nm, by one cycle now, switched on or not; None: it stays."""
        focus = self._focus
        if self._asked_ns is not None and now_ns - self._asked_ns < _ANSWER_NS:
            return None
        if focus.motors != 1 or not focus.at_target or not np.isfinite(focus.current_nm):
            return None
        height = float(self._rows.means([self._bead], np.array([self._cutoff], np.int64))[0, 0])
        if np.isnan(height):
            return None
        if self._target is None:
            self._target = height
        if self._max <= 0:
            return None
        correction = GAIN * float(np.clip(self._target - height, -self._max, self._max))
        if correction == 0:
            return None
        self._cutoff = self._asked_ns = now_ns
        return focus.current_nm + correction
