"""How a session sync ended."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from opticstream.core.errors import SyncFailed
from opticstream.rig.sync.effects import Outcome
from opticstream.rig.sync.roster import Roster


@dataclass(frozen=True, slots=True)
class SyncResult:
    """How a session sync ended, for one of those who took part."""

    role: str
    node_name: str
    outcome: Outcome
    session_name: str | None
    """The agreed name; None unless released (a bypassed master keeps its own)."""
    started_at: datetime
    waited_s: float
    """Seconds from start to end."""
    reason: str = ""
    """Why it was not released."""
    handshake_s: float | None = None
    """Seconds from the announcement to the release."""
    clock_offset_s: float | None = None
    """A slave's clock minus its master's, seconds; None when unknown."""
    clock_uncertainty_s: float | None = None
    """How far the offset may be off."""
    roster: Roster = field(default_factory=lambda: Roster(0))

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "role": self.role,
            "node_name": self.node_name,
            "outcome": self.outcome,
            "session_name": self.session_name,
            "reason": self.reason,
            "started_at": self.started_at.isoformat(),
            "waited_s": round(self.waited_s, 6),
            "handshake_s": None if self.handshake_s is None else round(self.handshake_s, 6),
            "clock_offset_s": self.clock_offset_s,
            "clock_uncertainty_s": self.clock_uncertainty_s,
            "missed": list(self.roster.missed),
            "roster": self.roster.as_dict(),
        }


class BarrierFailed(SyncFailed):
    """Raised when the barrier ends without an agreed name; ``result`` has the roster."""

    def __init__(self, result: SyncResult) -> None:
        self.result = result
        super().__init__(f"session sync ({result.role} {result.node_name})", found=result.reason)

    def __reduce__(self) -> tuple[object, ...]:
        """Cross process boundaries with the result."""
        return (BarrierFailed, (self.result,))
