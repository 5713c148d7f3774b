"""What a module is given, for a session in a temporary folder."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opticstream.core.operator import NoAnswer, Question, Value
from opticstream.core.settings import load_settings
from opticstream.rig.modules import ModuleContext

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STOP = datetime(2026, 1, 2, 3, 14, 5, tzinfo=UTC)


class NobodyThere:
    """An operator who is not there; a module that asks although it is configured fails."""

    name = "nobody"

    def ask(self, question: Question, timeout_s: float | None = None) -> Value:
        raise NoAnswer(question.key, found="nobody")

    def tell(self, text: str) -> None:
        pass


def module_context(session: Path, parameters: dict[str, Any], **more: Any) -> ModuleContext:
    """Return the context of a post-acquisition module of a session that went well."""
    metadata = session / "launcher_metadata"
    metadata.mkdir(parents=True, exist_ok=True)
    file = metadata / "processed_parameters.json"
    file.write_text(json.dumps(parameters))
    values: dict[str, Any] = {
        "stage": "post_acquisition",
        "name": "module",
        "parameters": parameters,
        "session_folder": session,
        "metadata_folder": metadata,
        "param_file": file,
        "session_name": session.name,
        "subject_id": "m",
        "user_id": "u",
        "rig_id": "rig-3",
        "operator": NobodyThere(),
        "settings": load_settings(),
        "start_time": START,
        "stop_time": STOP,
        "outcome": "completed",
    }
    return ModuleContext(**(values | more))
