"""How far a sweep's dataset is."""

from enum import IntEnum


class SweepState(IntEnum):
    """States of a :class:`ZLUTSweepDataset`; in READY, CAPTURING and COMPLETE it may be attached."""

    ABSENT = 0
    """There is no dataset of this name."""
    CREATING = 1
    READY = 2
    """Made and empty."""
    CAPTURING = 3
    """Profiles are being appended."""
    COMPLETE = 4
    """The sweep is through; the profiles may be read, and nothing is appended."""
    FAILED = 5
    DESTROYING = 6
    DESTROYED = 7
    """Removed; who still has it attached finds this."""
