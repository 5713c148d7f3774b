"""``end_state.json``: how a session ended, whichever way it did."""

from datetime import datetime
from importlib.metadata import version
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, computed_field

from opticstream.rig.session_outcome import SessionOutcome


class ModuleOutcome(BaseModel):
    """How one module of a pipeline ended."""

    model_config = ConfigDict(frozen=True)

    stage: str
    name: str
    outcome: str
    """completed, failed, skipped."""
    message: str = ""
    attempts: int = 1
    duration_s: float = 0


class EndState(BaseModel):
    """How a session ended; keys of other tools that read this file are kept, further ones may be added."""

    model_config = ConfigDict(extra="allow", frozen=True)

    schema_version: str = "1.0.0"
    session_uuid: str
    subject_id: str
    user_id: str
    rig_id: str
    launcher: str
    session_folder: str
    start_time: AwareDatetime
    stop_time: AwareDatetime
    outcome: SessionOutcome
    reason: str = ""
    """One sentence; empty where all went well."""
    process_returncode: int | None = None
    """Of the acquisition; None: it was never started, or nobody saw its end."""
    script_path: str | None = None
    version: str = Field(default_factory=lambda: version("opticstream"))
    rig_config: dict[str, Any] = {}
    experiment_data: dict[str, Any] = {}
    modules: tuple[ModuleOutcome, ...] = ()
    warnings: tuple[str, ...] = ()
    resumed_from: str | None = None
    """Folder of the session that this one goes on with."""
    session_sync: dict[str, Any] | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def exit_code(self) -> int:
        """Return what `opticstream launch` exits with."""
        return self.outcome.exit_code

    @computed_field  # type: ignore[prop-decorator]
    @property
    def duration_s(self) -> float:
        """Return the session's length, seconds."""
        return round(_seconds(self.start_time, self.stop_time), 3)


def _seconds(start: datetime, stop: datetime) -> float:
    return (stop - start).total_seconds()
