"""Whatever comes in whatever order, a sweep raises nothing, and leaves the microscope as it was."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from opticstream.scope.zlut_generation import (
    AskFocusLimits,
    AskProfileLength,
    CaptureProfiles,
    FreezeBeads,
    MoveFocus,
    SweepOutput,
    SweepPhase,
    SweepRequest,
    SweepState,
    SwitchAcquisition,
    ZLutSweep,
)

_OVER = (SweepPhase.IDLE, SweepPhase.EVALUATING)
_STEPS = {
    SweepPhase.IDLE: {SweepPhase.WAITING_FOCUS_LIMITS},
    SweepPhase.WAITING_FOCUS_LIMITS: {SweepPhase.WAITING_PROFILE_LENGTH},
    SweepPhase.WAITING_PROFILE_LENGTH: {SweepPhase.MOVING},
    SweepPhase.MOVING: {SweepPhase.CAPTURING},
    SweepPhase.CAPTURING: {SweepPhase.MOVING, SweepPhase.PROCESSING},
    SweepPhase.PROCESSING: {SweepPhase.EVALUATING},
    SweepPhase.EVALUATING: set(),
}


class SweepMachine(RuleBasedStateMachine):
    """The rules answer as a microscope does, or as a confused one."""

    @initialize(before=st.booleans())
    def begin(self, before: bool) -> None:
        self.sweep = ZLutSweep()
        self.before = self.acquisition = before
        self.frozen = self.armed = False
        self.asked = ""
        self.now, self.target = 1000.0, 0.0
        self.phase = SweepPhase.IDLE

    def _do(self, outputs: list[SweepOutput]) -> None:
        for out in outputs:
            match out:
                case SwitchAcquisition(on):
                    self.acquisition = on
                case FreezeBeads(on):
                    self.frozen = on
                case CaptureProfiles(after):
                    self.armed = after is not None
                case MoveFocus(z):
                    assert not self.acquisition, "it is off while the motor moves"
                    self.target = z
                case AskFocusLimits():
                    self.asked = "limits"
                case AskProfileLength():
                    self.asked = "length"
                    assert self.acquisition, "there is no profile without a frame"
                case SweepState(phase, _):
                    assert phase is SweepPhase.IDLE or phase in _STEPS[self.phase]
                    self.phase = phase

    @rule(step=st.sampled_from([100.0, 3.0, -3.0]), beads=st.sampled_from([(), (4,), (4, 9)]))
    def start(self, step: float, beads: tuple[int, ...]) -> None:
        idle = self.phase is SweepPhase.IDLE
        self._do(
            self.sweep.start(SweepRequest(0, step, 2 * step, 2), self.now, beads=beads, acquisition_on=self.acquisition)
        )
        if idle:
            self.before = self.acquisition

    @rule(reach=st.sampled_from([1.0, 1e4, 1e4, 1e4]))
    def tell_limits(self, reach: float) -> None:
        self._do(self.sweep.focus_limits(self.now, -reach, reach))

    @rule(bins=st.sampled_from([3, 3, 3, 0]))
    def tell_length(self, bins: int) -> None:
        self._do(self.sweep.profile_length(self.now, bins))

    @rule(off=st.sampled_from([0.0, 0.0, 0.0, 50.0, float("nan")]), there=st.sampled_from([1, 1, 1, 0]))
    def motor(self, off: float, there: int) -> None:
        self.now += 0.05
        self._do(self.sweep.motor_status(self.now, [[self.now, self.target + off, self.target + off, there]]))

    @rule(dark=st.sampled_from(["none", "none", "one", "all"]), late=st.sampled_from([-9.0, 0.1, 0.1]))
    def frames(self, dark: str, late: float) -> None:
        profiles = np.ones((4, 3))
        profiles[{"none": slice(0), "one": slice(0, 2), "all": slice(4)}[dark]] = np.nan
        taken = self.now + late
        self.now += 0.2
        self._do(self.sweep.captured(self.now, [taken] * 4, [4, 4, 9, 9], profiles))

    @rule(seconds=st.sampled_from([0.1, 9.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self._do(self.sweep.tick(self.now))

    @rule(answers=st.integers(1, 20))
    def all_goes_well(self, answers: int) -> None:
        for _ in range(answers):
            if self.phase is SweepPhase.WAITING_FOCUS_LIMITS:
                self.tell_limits(1e4)
            elif self.phase is SweepPhase.WAITING_PROFILE_LENGTH:
                self.tell_length(3)
            elif self.phase is SweepPhase.MOVING:
                self.motor(0.0, 1)
            elif self.phase is SweepPhase.CAPTURING:
                self.frames("none", 0.1)

    @rule()
    def cancel(self) -> None:
        self._do(self.sweep.cancel())

    @invariant()
    def all_is_as_before_when_it_is_over(self) -> None:
        assert self.sweep.phase is self.phase
        assert (self.sweep.evaluation is not None) == (self.phase is SweepPhase.EVALUATING)
        assert (self.sweep.due_in(self.now) is None) == (self.phase in _OVER)
        assert self.armed == (self.phase is SweepPhase.CAPTURING)
        assert self.frozen == (self.phase not in _OVER)
        if self.phase in _OVER:
            assert self.acquisition == self.before

    @invariant()
    def what_is_made_is_whole(self) -> None:
        if self.sweep.evaluation is not None:
            for lut in self.sweep.evaluation.zluts.values():
                assert len(lut.z_nm) == 3 and np.isfinite(lut.profiles).all()


SweepMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
TestSweep = SweepMachine.TestCase
