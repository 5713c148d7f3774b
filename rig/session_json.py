"""``session.json``: who, what, when, for whoever finds the folder; minimal, or by a richer schema."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from opticstream.core.files import atomic_file, writing
from opticstream.rig.plain_json import plain

SESSION = "session.json"
_CREATOR = "opticstream"
_SHORTEST = timedelta(milliseconds=1)


@dataclass(frozen=True)
class SessionFacts:
    """What is known about a session when it is written down. Times have an offset and are written in UTC."""

    session_name: str
    subject_id: str
    user_id: str
    rig_id: str
    start_time: datetime
    stop_time: datetime
    outcome: str = ""
    notes: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    software: tuple[Mapping[str, Any], ...] = ()
    """Name and version of what ran."""

    @property
    def start(self) -> datetime:
        """Return the start, UTC."""
        return self.start_time.astimezone(UTC)

    @property
    def end(self) -> datetime:
        """Return the end, UTC; always after the start, also where a clock was set back meanwhile."""
        return max(self.stop_time.astimezone(UTC), self.start + _SHORTEST)


def minimal_session(facts: SessionFacts) -> dict[str, Any]:
    """Return a session under the documented keys, without a schema's help."""
    return {
        "created_by": f"{_CREATOR} {version(_CREATOR)}",
        "session_uuid": facts.session_name,
        "subject_id": facts.subject_id,
        "user_id": facts.user_id,
        "experimenter_full_name": [facts.user_id],
        "rig_id": facts.rig_id,
        "session_start_time": facts.start.isoformat(),
        "session_end_time": facts.end.isoformat(),
        "outcome": facts.outcome,
        "software": [dict(item) for item in facts.software],
        "parameters": dict(facts.parameters),
        "notes": facts.notes,
    }


def write_session_json(session_folder: Path, document: Mapping[str, Any], *, force: bool = False) -> bool:
    """Write ``session.json``; False where a richer one is, which stays.

    A minimal one that opticstream wrote is replaced; any other file is richer.

    Args:
        session_folder: the session's folder.
        document: what to write.
        force: replace whatever is there.

    Raises:
        WriteFailed: the disk refuses.
    """
    path = session_folder / SESSION
    if not force and path.exists() and not _is_minimal(path):
        return False
    content = json.dumps(plain(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with writing(path), atomic_file(path) as handle:
        handle.write(content.encode())
    return True


def _is_minimal(path: Path) -> bool:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and str(found.get("created_by", "")).startswith(f"{_CREATOR} ")
