"""What the launcher writes about a session into its ``launcher_metadata``."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from opticstream.core.files import atomic_file, write_failed
from opticstream.rig.debug_state import DebugState
from opticstream.rig.end_state import EndState
from opticstream.rig.loaded import Loaded
from opticstream.rig.parameter_names import documented
from opticstream.rig.parameters import SECRETS, LaunchParameters
from opticstream.rig.plain_json import plain
from opticstream.rig.repository import RepositoryRecord, inspect_repository
from opticstream.rig.session_json import SESSION, SessionFacts, minimal_session, write_session_json

INPUT = "input_parameters.json"
PROCESSED = "processed_parameters.json"
COMMAND_LINE = "command_line_arguments.json"
REVISIONS = "git_revisions.json"
END_STATE = "end_state.json"
DEBUG_STATE = "debug_state.json"

_PACKAGE = "opticstream"
_HIDDEN = "**********"


class MetadataFiles:
    """The files of one session's metadata folder; each is whole or absent.

    Every method raises :class:`~opticstream.core.errors.WriteFailed` when the disk refuses.

    Args:
        metadata: the folder, ``SessionFolder.metadata``.
    """

    def __init__(self, metadata: Path) -> None:
        self.metadata = metadata

    @property
    def processed_path(self) -> Path:
        """Return the file that modules are handed."""
        return self.metadata / PROCESSED

    def write_input(self, loaded: Loaded) -> None:
        """Write the input as it was given: a file byte for byte."""
        self._write(INPUT, loaded.raw)

    def write_processed(self, loaded: Loaded, parameters: LaunchParameters) -> None:
        """Write the parameters that are in force, for modules to read and change; without secrets."""
        self._write_json(PROCESSED, loaded.document(parameters))

    def write_command_line(
        self, arguments: Sequence[str], loaded: Loaded | None = None, *, timestamp: datetime | None = None
    ) -> None:
        """Write how the launcher was started.

        Args:
            arguments: program and arguments, as ``sys.argv``; values of secrets are hidden.
            loaded: tells the parameter file.
            timestamp: when; default: now.
        """
        shown = _without_secrets(arguments)
        file = loaded.file if loaded else None
        self._write_json(
            COMMAND_LINE,
            {
                "command_line": subprocess.list2cmdline(shown) if os.name == "nt" else shlex.join(shown),
                "arguments": shown[1:],
                "working_directory": str(Path.cwd()),
                "python_executable": sys.executable,
                "original_param_file": str(file.absolute()) if file else None,
                "timestamp": (timestamp or datetime.now(UTC)).isoformat(),
            },
        )

    def write_revisions(self, repository: RepositoryRecord | None, own: dict[str, Any] | None = None) -> None:
        """Write which code the session runs.

        Args:
            repository: the experiment's, if it has one.
            own: what `launcher_revision` said; None: ask it now.
        """
        records: list[Any] = [] if repository is None else [repository.model_dump(mode="json", exclude={"warnings"})]
        self._write_json(REVISIONS, [*records, own or launcher_revision()])

    def write_end_state(self, state: EndState) -> None:
        """Write how the session ended; a later word replaces an earlier one."""
        self._write_json(END_STATE, state)

    def write_debug_state(self, state: DebugState) -> None:
        """Write what a crash left."""
        self._write_json(DEBUG_STATE, state)

    def write_session(self, session_folder: Path, state: EndState) -> bool:
        """Write a minimal ``session.json`` beside the metadata; False where a module has written one."""
        if (session_folder / SESSION).exists():
            return False
        facts = SessionFacts(
            session_name=state.session_uuid,
            subject_id=state.subject_id,
            user_id=state.user_id,
            rig_id=state.rig_id,
            start_time=state.start_time,
            stop_time=state.stop_time,
            outcome=state.outcome.value,
            notes=str(state.experiment_data.get("experiment_notes", "")),
        )
        return write_session_json(session_folder, minimal_session(facts))

    def _write_json(self, name: str, document: BaseModel | Mapping[str, Any] | list[Any]) -> None:
        value = document.model_dump() if isinstance(document, BaseModel) else document
        self._write(name, _json(value))

    def _write(self, name: str, content: bytes) -> None:
        self._write_at(self.metadata / name, content)

    def _write_at(self, path: Path, content: bytes) -> None:
        try:
            with atomic_file(path) as handle:
                handle.write(content)
        except OSError as error:
            raise write_failed(path, error) from None


def launcher_revision() -> dict[str, Any]:
    """Return which opticstream runs: the commit it is installed from, or its version where there is none."""
    # In a checkout the package's folder is one of the checkout's folders; else there is no repository around it.
    record = inspect_repository(Path(__file__).resolve().parents[1], _PACKAGE)
    if record is not None:
        found = record.model_dump(mode="json", include={"name", "path", "commit", "dirty", "changed_files"})
        return found | {"package_version": version(_PACKAGE)}
    source = "installed package"
    return {"name": _PACKAGE, "commit": None, "package_version": version(_PACKAGE), "source": source}


def _json(value: Any) -> bytes:
    return (json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _without_secrets(arguments: Sequence[str]) -> list[str]:
    shown = []
    for argument in arguments:
        start = "--set=" if argument.startswith("--set=") else ""
        key, sign, _ = argument.removeprefix(start).partition("=")
        hidden = sign and documented(key.strip()) in SECRETS
        shown.append(f"{start}{key}={_HIDDEN}" if hidden else argument)
    return shown
