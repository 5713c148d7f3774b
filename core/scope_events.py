"""Name and payload of a scope's event; labs trigger on the name, so it does not change."""

from pydantic import Field

from opticstream.core.events import EventPayload

SCOPE_RECORDED = "opticstream.scope.recorded"


class ScopeEvent(EventPayload):
    """What a scope recorded; the resource is ``opticstream.scope.{session}``, the label's project is the rig."""

    session: str
    """The session's name."""
    folder: str
    """Where the recording is."""
    rig: str
    succeeded: bool
    """Whether it ended as it should."""
    reason: str = ""
    """Why it ended."""
    files: list[str] = Field(default_factory=list)
    """Tracking files, the first one first."""
    frames: int = 0
    """That the camera took."""
    frames_tracked: int = 0
    frames_dropped: int = 0
    frames_not_stored: int = 0
    """Tracked, and in no file."""
    beads: int = 0
    flow_run_id: str | None = None
