"""Making a Z-LUT."""

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
from opticstream.scope.zlut_generation.sweep import SweepLimits, ZLutSweep

__all__ = [
    "AskFocusLimits", "AskProfileLength", "CaptureProfiles", "FreezeBeads", "MoveFocus", "SweepDone", "SweepFailed",
    "SweepLimits", "SweepOutput", "SweepPhase", "SweepProgress", "SweepRequest", "SweepState", "SwitchAcquisition",
    "ZLutEvaluation", "ZLutSweep",
]  # fmt: skip
