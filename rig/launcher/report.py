"""What a launch tells when it is over."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opticstream.core.errors import BadInput
from opticstream.rig.end_state import ModuleOutcome
from opticstream.rig.session_outcome import SessionOutcome


@dataclass(frozen=True)
class SessionReport:
    """How a launch ended."""

    outcome: SessionOutcome
    reason: str
    """One sentence; empty where all went well."""
    session_name: str | None
    """None: it ended before the session had a name."""
    session_folder: Path | None
    """None: it ended before there was one, and nothing was written."""
    modules: tuple[ModuleOutcome, ...] = ()
    durations: dict[str, float] = field(default_factory=dict)
    """Step → seconds."""
    warnings: tuple[str, ...] = ()
    error: BaseException | None = None
    """What a crash, or parameters that cannot be used, raised."""
    sync: dict[str, Any] | None = None
    """How the rigs agreed on the name, or did not."""
    metadata_folder: Path | None = None
    """What this launcher wrote of it; where rigs share a session's folder each has its own."""
    recorded: bool = True
    """Whether Prefect knows of it."""

    @property
    def exit_code(self) -> int:
        """Return what ``opticstream launch`` exits with."""
        if self.session_folder is None and isinstance(self.error, BadInput):
            return 2
        return self.outcome.exit_code

    @property
    def succeeded(self) -> bool:
        """Return whether all went well."""
        return self.outcome is SessionOutcome.COMPLETED

    def as_json(self) -> dict[str, Any]:
        """Return what ``opticstream launch --json`` prints."""
        return {
            "outcome": self.outcome.value,
            "exit_code": self.exit_code,
            "reason": self.reason,
            "session_name": self.session_name,
            "session_folder": str(self.session_folder) if self.session_folder else None,
            "modules": [module.model_dump(mode="json") for module in self.modules],
            "durations": {name: round(seconds, 3) for name, seconds in self.durations.items()},
            "warnings": list(self.warnings),
            "session_sync": self.sync,
            "recorded": self.recorded,
        }
