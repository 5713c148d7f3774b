"""How a shared MATLAB is found, waited for, and left."""

import math
from dataclasses import dataclass, fields

from opticstream.core.errors import BadInput
from opticstream.rig.engine.matlab_call import SLAP2


@dataclass(frozen=True, slots=True)
class MatlabConnection:
    """Names, limits and what becomes of MATLAB afterwards.

    Raises:
        BadInput: a number is negative or not finite.
    """

    engine_name: str = SLAP2
    """The name given to ``matlab.engine.shareEngine`` in MATLAB."""

    connect_timeout_s: float = 120.0
    """Seconds to wait for it; 0: for as long as it takes, until somebody stops."""

    poll_interval_s: float = 1.0
    """Seconds between tries, at least 0.1."""

    cancel_timeout_s: float = 15.0
    """Seconds MATLAB has to acknowledge a cancellation, at least 1."""

    keep_engine_alive: bool = True
    """Leave MATLAB running afterwards; otherwise it is told to exit."""

    max_resumes: int = 10
    """How often a lost engine or window is waited for again."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, (int, float)) and not (math.isfinite(value) and value >= 0):
                raise BadInput(f"matlab {each.name}", found=str(value), expected="a number of 0 or more")
