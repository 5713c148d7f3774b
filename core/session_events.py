"""Names and payloads of a session's events; labs trigger on these names, so they do not change."""

from typing import Any

from pydantic import Field

from opticstream.core.events import EventPayload

SESSION_STARTED = "opticstream.session.started"
SESSION_ACQUIRING = "opticstream.session.acquiring"
SESSION_FINISHED = "opticstream.session.finished"
SESSION_FAILED = "opticstream.session.failed"


SYNC_RELEASED = "opticstream.sync.released"
SYNC_FAILED = "opticstream.sync.failed"


class SyncEvent(EventPayload):
    """How a session sync ended for one rig; the resource is ``opticstream.sync.{node}``, the label's project the rig."""

    node: str
    role: str
    rig: str
    outcome: str
    session: str | None = None
    """The agreed name."""
    reason: str = ""
    waited_s: float = 0
    missed: list[str] = Field(default_factory=list)
    """Nodes that were waited for in vain."""
    roster: dict[str, Any] = Field(default_factory=dict)


class SessionEvent(EventPayload):
    """Where a session is; the resource is ``opticstream.session.{session}``, the label's project is the rig."""

    session: str
    """The session's name."""
    folder: str
    rig: str
    subject: str
    user: str
    launcher: str
    outcome: str | None = None
    """After the end."""
    reason: str = ""
    exit_code: int | None = None
    flow_run_id: str | None = None


def session_resource(name: str) -> str:
    """Return the ``prefect.resource.id`` of a session."""
    return f"opticstream.session.{name}"[:160]
