"""A microscope in formulae: a focus motor, a camera, and a sweep that has both."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.hardware_sim import LinearMotion
from opticstream.scope.zlut_generation import (
    AskFocusLimits,
    AskProfileLength,
    CaptureProfiles,
    FreezeBeads,
    MoveFocus,
    SweepFailed,
    SweepOutput,
    SweepPhase,
    SweepProgress,
    SweepRequest,
    SweepState,
    SwitchAcquisition,
    ZLutSweep,
)

Take = Callable[[int, NDArray[np.float64]], NDArray[np.float64]]
"""Profiles (n, bins) of a bead at motor positions (n,)."""


def plain_profiles(bead: int, z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Profiles that hold the height itself in each bin."""
    return np.repeat(z[:, None], 4, axis=1) + bead


@dataclass
class ZLutBench:
    sweep: ZLutSweep
    take: Take = plain_profiles
    bins: int = 4
    beads: tuple[int, ...] = (7, 3)
    motor: LinearMotion = field(default_factory=lambda: LinearMotion(speed=1000.0))
    acquisition: bool = True
    frozen: bool = False
    camera_runs: bool = True
    now: float = 1000.0
    said: list[SweepOutput] = field(default_factory=list)
    progress_at: list[float] = field(default_factory=list)

    def start(self, start: float, step: float, stop: float, profiles: int) -> None:
        request = SweepRequest(start, step, stop, profiles)
        self.do(self.sweep.start(request, self.now, beads=self.beads, acquisition_on=self.acquisition))

    def do(self, outputs: list[SweepOutput]) -> None:
        for out in outputs:
            self.said.append(out)
            match out:
                case MoveFocus(z):
                    self.motor.move(z, self.now + 0.03)  # the command is under way for a while
                case SwitchAcquisition(on):
                    self.acquisition = on
                case FreezeBeads(on):
                    self.frozen = on
                case AskFocusLimits():
                    self.do(self.sweep.focus_limits(self.now, self.motor.low, self.motor.high))
                case AskProfileLength():
                    self.do(self.sweep.profile_length(self.now, self.bins))
                case SweepProgress():
                    self.progress_at.append(self.now)

    def turn(self, seconds: float = 0.1) -> None:
        """Let time pass: motor rows come, then a stack of frames, some of which were taken a while ago."""
        for _ in range(4):
            self.now += seconds / 4
            z, moving = self.motor.position(self.now), self.motor.moving(self.now)
            self.do(self.sweep.motor_status(self.now, [[self.now, z, self.motor.target, not moving]]))
        if self.acquisition and self.camera_runs:
            times = np.repeat(self.now - np.array([0.3, 0.06, 0.04, 0.02, 0.01]), len(self.beads))
            whose = np.tile(self.beads, 5)
            z = np.array([self.motor.position(t) for t in times])
            profiles = np.empty((len(times), self.bins))
            for bead in self.beads:
                profiles[whose == bead] = self.take(bead, z[whose == bead])
            self.do(self.sweep.captured(self.now, times, whose, profiles))
        self.do(self.sweep.tick(self.now))

    def run(self, seconds: float = 600.0) -> None:
        """Let time pass until the sweep is over, or waits to be evaluated."""
        end = self.now + seconds
        while self.sweep.phase not in (SweepPhase.IDLE, SweepPhase.EVALUATING):
            assert self.now < end, f"still {self.sweep.phase}"
            self.turn()

    @property
    def failure(self) -> SweepFailed:
        (found,) = [each for each in self.said if isinstance(each, SweepFailed)]
        return found

    @property
    def phases(self) -> list[SweepPhase]:
        return [each.phase for each in self.said if isinstance(each, SweepState)]

    def last_capture(self) -> float | None:
        return next(each.after_s for each in reversed(self.said) if isinstance(each, CaptureProfiles))
