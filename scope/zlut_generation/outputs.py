"""What a Z-LUT sweep wants done."""

from dataclasses import dataclass

from opticstream.scope.zlut_generation.evaluation import ZLutEvaluation
from opticstream.scope.zlut_generation.phase import SweepPhase


@dataclass(frozen=True, slots=True)
class AskFocusLimits:
    """Ask the focus motor how far it goes; the answer goes to ``focus_limits``."""


@dataclass(frozen=True, slots=True)
class AskProfileLength:
    """Ask the video processor how many bins a profile has; the answer goes to ``profile_length``."""


@dataclass(frozen=True, slots=True)
class MoveFocus:
    """Send the focus motor to a height."""

    z_nm: float


@dataclass(frozen=True, slots=True)
class SwitchAcquisition:
    """Switch the acquisition on or off."""

    on: bool


@dataclass(frozen=True, slots=True)
class FreezeBeads:
    """Keep the ROIs as they are, or let them move again."""

    on: bool


@dataclass(frozen=True, slots=True)
class CaptureProfiles:
    """Give the profiles of frames taken after a time to ``captured``; None: no more are wanted."""

    after_s: float | None
    """Seconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class SweepProgress:
    """How far the sweep is; at most ten a second."""

    step: int
    """Heights that are done."""
    steps: int
    profiles: int
    """Profiles of the present height so far, of the bead that has fewest."""
    profiles_per_bead: int


@dataclass(frozen=True, slots=True)
class SweepState:
    """The phase is another one now."""

    phase: SweepPhase
    text: str


@dataclass(frozen=True, slots=True)
class SweepFailed:
    """There will be no Z-LUT."""

    title: str
    reason: str


@dataclass(frozen=True, slots=True)
class SweepDone:
    """The Z-LUTs wait to be looked at."""

    evaluation: ZLutEvaluation


SweepOutput = (
    AskFocusLimits | AskProfileLength | MoveFocus | SwitchAcquisition | FreezeBeads | CaptureProfiles | SweepProgress
    | SweepState | SweepFailed | SweepDone
)  # fmt: skip
