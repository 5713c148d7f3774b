"""Where the making of a Z-LUT is."""

from enum import StrEnum


class SweepPhase(StrEnum):
    """Phase of a sweep, in the order they come; moving and capturing alternate."""

    IDLE = "idle"
    WAITING_FOCUS_LIMITS = "waiting_focus_limits"
    WAITING_PROFILE_LENGTH = "waiting_profile_length"
    MOVING = "moving"
    CAPTURING = "capturing"
    PROCESSING = "processing"
    EVALUATING = "evaluating"
