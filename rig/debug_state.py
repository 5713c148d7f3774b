"""``debug_state.json``: what a crash leaves for those who look for its cause."""

import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from opticstream.rig.plain_json import plain


class CrashInfo(BaseModel):
    """What was raised, and when."""

    model_config = ConfigDict(frozen=True)

    exception_type: str
    message: str
    crash_time: AwareDatetime


class DebugState(BaseModel):
    """One crash of a launcher."""

    model_config = ConfigDict(extra="allow", frozen=True)

    exception: str
    traceback: str
    timestamp: AwareDatetime
    session_uuid: str | None
    crash_info: CrashInfo
    launcher_state: dict[str, Any] = {}

    @classmethod
    def of(
        cls, error: BaseException, session_uuid: str | None = None, launcher_state: Mapping[str, Any] | None = None
    ) -> "DebugState":
        """Describe a crash.

        Args:
            error: what escaped; its traceback is read from it.
            session_uuid: the session's name, if it has one by then.
            launcher_state: the launcher's public attributes; what JSON cannot hold is described, secrets are hidden.
        """
        now = datetime.now(UTC)
        text = "".join(traceback.format_exception(error))
        return cls(
            exception=plain(repr(error)),
            traceback=plain(text),
            timestamp=now,
            session_uuid=session_uuid,
            crash_info=CrashInfo(exception_type=type(error).__name__, message=plain(_words(error)), crash_time=now),
            launcher_state={
                str(key): plain(value) for key, value in (launcher_state or {}).items() if not str(key).startswith("_")
            },
        )


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # an exception of a user's script may not even have words
        return f"<its text cannot be had: {type(broken).__name__}>"
