"""Making Z-LUTs by a sweep of the focus motor."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from opticstream.core.errors import BadInput
from opticstream.scope.tracking.zlut import Binning
from opticstream.scope.zlut_generation.evaluation import ZLutEvaluation
from opticstream.scope.zlut_generation.outputs import (
    AskFocusLimits,
    AskProfileLength,
    CaptureProfiles,
    FreezeBeads,
    MoveFocus,
    SweepDone,
    SweepFailed,
    SweepOutput,
    SweepProgress,
    SweepState,
    SwitchAcquisition,
)
from opticstream.scope.zlut_generation.phase import SweepPhase
from opticstream.scope.zlut_generation.positions import SweepRequest
from opticstream.scope.zlut_generation.sweep_profiles import SweepProfiles

_NO_START = "Could not start Z-LUT generation"
_FAILED = "Z-LUT generation failed"
_PROGRESS_S = 0.1
_SAME_TARGET_NM = 10.0
_APPROACH_NM = 1.0

Outputs = list[SweepOutput]


@dataclass(frozen=True, slots=True)
class SweepLimits:
    """How long a sweep waits, and how often it tries again."""

    reply_s: float = 10.0
    """For the motor's limits and the profile length."""
    move_s: float = 30.0
    """Without the motor coming nearer to its target."""
    stall_s: float = 10.0
    """Without a frame while capturing."""
    retries: int = 3
    """Of a height at which a bead has no profile, or which the motor left."""


class ZLutSweep:
    """Makes the Z-LUT of every bead at once; a pure machine: time and data come in, wishes go out.

    Times are seconds since 1970 UTC, as those of motor rows and frames. A height is taken when the motor has said
    *after* it was sent there that it is at target, and only frames taken after that count. A bead with no profile at
    a height is tried again, then left out; the sweep fails when no bead is left. At every end the acquisition is as
    it was before, and the ROIs may move again; the motor stays where it is.

    Args:
        binning: how the tracker that gives the profiles counts pixels.
        oversample: its bins per pixel of radius.
        limits: how long it waits.
    """

    def __init__(
        self, *, binning: Binning = "unknown", oversample: int = 1, limits: SweepLimits = SweepLimits()
    ) -> None:
        self.phase = SweepPhase.IDLE
        self.evaluation: ZLutEvaluation | None = None
        """What was made, while it is evaluated."""
        self._binning: Binning = binning
        self._oversample, self._limits = oversample, limits
        self._profiles: SweepProfiles | None = None
        self._lost: dict[int, str] = {}
        self._progress_at = -math.inf

    def start(
        self,
        request: SweepRequest,
        now: float,
        *,
        beads: Sequence[int],
        tracking: bool = True,
        focus_motor: bool = True,
        acquisition_on: bool = True,
    ) -> Outputs:
        """Begin a sweep, or say why there can be none; one that is under way goes on.

        Args:
            request: heights and frames.
            now: s.
            beads: ids of the beads.
            tracking: the acquisition's mode is one that tracks.
            focus_motor: there is one.
            acquisition_on: what the acquisition is switched back to.
        """
        reasons = {
            f"one is {self.phase.value} already": self.phase is not SweepPhase.IDLE,
            "the acquisition mode does not track; choose one that does": not tracking,
            "there is no bead; place one or more": not beads,
            "there is no focus motor": not focus_motor,
        }
        for reason, holds in reasons.items():
            if holds:
                return [SweepFailed(_NO_START, reason)]
        try:
            self._heights = request.positions()
        except BadInput as error:
            return [SweepFailed(_NO_START, str(error))]
        self._request, self._beads, self._acquisition = request, list(dict.fromkeys(beads)), acquisition_on
        self._active = np.ones(len(self._beads), bool)
        self._lost, self._profiles, self.evaluation = {}, None, None
        self._step = 0
        self._deadline = now + self._limits.reply_s
        self._progress_at = -math.inf
        waiting = self._enter(SweepPhase.WAITING_FOCUS_LIMITS, "asking the focus motor for its limits")
        return [waiting, FreezeBeads(True), AskFocusLimits()]

    def focus_limits(self, now: float, low: float, high: float) -> Outputs:
        """Take the motor's answer, nm."""
        if self.phase is not SweepPhase.WAITING_FOCUS_LIMITS:
            return []
        first, last = min(self._heights), max(self._heights)
        if not (low <= first and last <= high):
            return self._end(f"heights from {first:g} to {last:g} nm, but the motor goes from {low:g} to {high:g} nm")
        self._deadline = now + self._limits.reply_s
        waiting = self._enter(SweepPhase.WAITING_PROFILE_LENGTH, "measuring the length of a profile")
        return [waiting, SwitchAcquisition(True), AskProfileLength()]

    def profile_length(
        self, now: float, bins: int, *, binning: Binning | None = None, oversample: int | None = None
    ) -> Outputs:
        """Take the video processor's answer; what it says of the bins holds instead of what was said before."""
        if self.phase is not SweepPhase.WAITING_PROFILE_LENGTH:
            return []
        self._binning, self._oversample = binning or self._binning, oversample or self._oversample
        try:
            self._profiles = SweepProfiles(len(self._heights), len(self._beads), bins)
        except BadInput as error:
            return self._end(str(error))
        return self._go(now, 0)

    def motor_status(self, now: float, rows: ArrayLike) -> Outputs:
        """Take the motor's rows (n, 4), oldest first: time s, z nm, target nm, at target (0 or 1)."""
        out: Outputs = []
        for t, z, target, at_target in np.asarray(rows, np.float64).reshape(-1, 4).tolist():
            out += self._motor_row(now, t, z, target, at_target == 1)
        return out

    def captured(self, now: float, times: ArrayLike, beads: ArrayLike, profiles: ArrayLike) -> Outputs:
        """Take profiles as they come: time s and bead of each (n,), and grey levels (n, bins), NaN where unknown."""
        store = self._profiles
        if self.phase is not SweepPhase.CAPTURING or store is None:
            return []
        rows = np.asarray(profiles, np.float64)
        if rows.ndim != 2 or rows.shape[1] != store.bins:
            return self._end(f"profiles of shape {rows.shape} came, but {store.bins} bins were announced")
        fresh, whose = np.asarray(times, np.float64) > self._in_position, np.asarray(beads)
        wanted = self._request.profiles_per_bead
        for index in np.flatnonzero(self._active).tolist():
            own = np.flatnonzero(fresh & (whose == self._beads[index]))[: wanted - int(self._seen[index])]
            if len(own):
                self._deadline = now + self._limits.stall_s
                self._seen[index] += len(own)
                store.add(self._step, index, rows[own], self._z)
        out = self._progress(now)
        if (self._seen[self._active] >= wanted).all():
            out += self._settle(now)
        return out

    def tick(self, now: float) -> Outputs:
        """See whether something took too long."""
        if now < self._due():
            return []
        if self.phase is SweepPhase.WAITING_FOCUS_LIMITS:
            return self._end(f"the focus motor did not tell its limits within {self._limits.reply_s:g} s")
        if self.phase is SweepPhase.WAITING_PROFILE_LENGTH:
            return self._end(f"no profile was measured within {self._limits.reply_s:g} s; does the camera run?")
        if self.phase is SweepPhase.MOVING:
            height = self._heights[self._step]
            return self._end(f"the focus motor did not come nearer to {height:g} nm for {self._limits.move_s:g} s")
        return self._settle(now)

    def due_in(self, now: float) -> float | None:
        """Return after how many seconds :meth:`tick` has something to do; None: not before another input."""
        due = self._due()
        return None if due == math.inf else max(0.0, due - now)

    def cancel(self) -> Outputs:
        """End it in whatever phase it is; what waits to be evaluated is discarded. Idle: nothing."""
        if self.phase is SweepPhase.IDLE:
            return []
        if self.phase is SweepPhase.EVALUATING:
            self.evaluation = None
            return [self._enter(SweepPhase.IDLE, "discarded")]
        return [*self._restore(), self._enter(SweepPhase.IDLE, "cancelled")]

    def select(self, bead: int) -> None:
        """Select whose Z-LUT is looked at.

        Raises:
            BadInput: nothing is evaluated, or the bead has none.
        """
        self._evaluated().select(bead)

    def save(self, path: Path, *, close: bool = True) -> Outputs:
        """Write the selected Z-LUT; then the evaluation is over, unless ``close`` is False.

        Raises:
            BadInput: nothing is evaluated, or the file's folder does not exist.
            WriteFailed: it cannot be written; the evaluation goes on.
        """
        self._evaluated().save(path)
        if not close:
            return []
        self.evaluation = None
        return [self._enter(SweepPhase.IDLE, f"saved {path}")]

    def _evaluated(self) -> ZLutEvaluation:
        if self.evaluation is None:
            raise BadInput("Z-LUT", found=f"phase {self.phase.value}", expected="a finished sweep")
        return self.evaluation

    def _due(self) -> float:
        return math.inf if self.phase in (SweepPhase.IDLE, SweepPhase.EVALUATING) else self._deadline

    def _enter(self, phase: SweepPhase, text: str) -> SweepState:
        self.phase = phase
        if phase is SweepPhase.IDLE:
            self._profiles = None
        return SweepState(phase, text)

    def _go(self, now: float, tries: int) -> Outputs:
        """Send the motor to the present height; ``tries`` were made in vain."""
        height = self._heights[self._step]
        self._tries, self._moved_at, self._nearest = tries, now, math.inf
        self._deadline = now + self._limits.move_s
        text = f"moving to {height:g} nm, {self._step + 1} of {len(self._heights)}"
        return [SwitchAcquisition(False), MoveFocus(height), self._enter(SweepPhase.MOVING, text)]

    def _motor_row(self, now: float, t: float, z: float, target: float, at_target: bool) -> Outputs:
        under_way = self.phase in (SweepPhase.MOVING, SweepPhase.CAPTURING)
        if not under_way or not t >= self._moved_at or not math.isfinite(z):
            return []
        height = self._heights[self._step]
        # A row may be written after the command was sent and before the motor had it; it names the former target.
        ours = abs(target - height) <= min(_SAME_TARGET_NM, abs(self._request.step) / 4)
        if self.phase is SweepPhase.CAPTURING:
            self._z = z
            return [] if ours and at_target else self._left(now, z)
        if ours and at_target:
            self._in_position, self._z = t, z
            self._seen = np.zeros(len(self._beads), np.int64)
            self._deadline = now + self._limits.stall_s
            text = f"capturing at {height:g} nm, {self._step + 1} of {len(self._heights)}"
            return [SwitchAcquisition(True), CaptureProfiles(t), self._enter(SweepPhase.CAPTURING, text)]
        if abs(z - height) < self._nearest - _APPROACH_NM:
            self._nearest = abs(z - height)
            self._deadline = now + self._limits.move_s
        return []

    def _left(self, now: float, z: float) -> Outputs:
        """The motor left its height while profiles were taken: take the height again."""
        if self._tries >= self._limits.retries:
            height = self._heights[self._step]
            return self._end(f"the focus motor does not stay at {height:g} nm (it was at {z:g} nm); who else moves it?")
        if self._profiles is not None:
            self._profiles.clear(self._step)
        return [CaptureProfiles(None), *self._go(now, self._tries + 1)]

    def _settle(self, now: float) -> Outputs:
        """As many frames as wanted have come, or none comes any more."""
        if self._profiles is None:
            return []
        empty = self._active & (self._profiles.taken[self._step] == 0)
        if empty.any() and self._tries < self._limits.retries:
            self._tries += 1
            self._seen[empty] = 0
            self._deadline = now + self._limits.stall_s
            return []
        reason = f"no profile at {self._heights[self._step]:g} nm in {self._tries + 1} captures"
        self._lost.update({self._beads[index]: reason for index in np.flatnonzero(empty).tolist()})
        self._active &= ~empty
        if not self._active.any():
            return self._end(f"{reason}, of any bead")
        self._step += 1
        if self._step < len(self._heights):
            return [CaptureProfiles(None), *self._go(now, 0)]
        return self._evaluate(self._profiles)

    def _evaluate(self, profiles: SweepProfiles) -> Outputs:
        out: Outputs = [*self._restore(), self._enter(SweepPhase.PROCESSING, "making the Z-LUTs")]
        made = {}
        for index in np.flatnonzero(self._active).tolist():
            try:
                made[self._beads[index]] = profiles.zlut(index, self._binning, self._oversample)
            except BadInput as error:
                self._lost[self._beads[index]] = str(error)
        if not made:
            reason = "; ".join(f"bead {bead}: {why}" for bead, why in self._lost.items())
            return [*out, SweepFailed(_FAILED, reason), self._enter(SweepPhase.IDLE, "failed")]
        self.evaluation = ZLutEvaluation(made, self._lost)
        text = f"{len(made)} of {len(self._beads)} beads have a Z-LUT"
        return [*out, self._enter(SweepPhase.EVALUATING, text), SweepDone(self.evaluation)]

    def _progress(self, now: float) -> Outputs:
        if now - self._progress_at < _PROGRESS_S:
            return []
        self._progress_at = now
        fewest = int(self._seen[self._active].min())
        return [SweepProgress(self._step, len(self._heights), fewest, self._request.profiles_per_bead)]

    def _restore(self) -> Outputs:
        return [CaptureProfiles(None), SwitchAcquisition(self._acquisition), FreezeBeads(False)]

    def _end(self, reason: str) -> Outputs:
        early = self.phase in (SweepPhase.WAITING_FOCUS_LIMITS, SweepPhase.WAITING_PROFILE_LENGTH)
        failed = SweepFailed(_NO_START if early else _FAILED, reason)
        return [*self._restore(), failed, self._enter(SweepPhase.IDLE, "failed")]
