"""A live microscope as a session's acquisition: the command that runs it, and what it leaves."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opticstream.core.scope_files import SUMMARY_NAME, TRACKS_PICTURE_NAME, tracking_files

FOLDER = "scope"
"""Of the session's folder, that receives the recording."""
_FLAGS = {
    "scope_camera": "--camera",
    "scope_replay": "--replay",
    "scope_beads": "--beads",
    "scope_seconds": "--seconds",
    "scope_mode": "--mode",
    "scope_zlut": "--zlut",
    "scope_tracking": "--tracking",
}
_PAIRS = {"scope_camera_settings": "--camera-setting", "scope_settings": "--set"}


def scope_command(values: Mapping[str, Any], script: Path | None, name: str, session_folder: Path) -> tuple[str, ...]:
    """Return the command line that runs a scope and records into the session's folder.

    Args:
        values: the ``scope_…`` parameters by name; None and empty ones are left out.
        script: what the scope runs.
        name: the session's, and the scope's.
        session_folder: of the session.
    """
    command = [sys.executable, "-m", "opticstream", "scope", "run", "--name", name]
    command += ["--save", str(session_folder / FOLDER)]
    if script is not None:
        command += ["--script", str(script)]
    for key, flag in _FLAGS.items():
        if values.get(key) is not None:
            command += [flag, f"{values[key]:g}" if isinstance(values[key], float) else str(values[key])]
    for key, flag in _PAIRS.items():
        for one, value in (values.get(key) or {}).items():
            command += [flag, f"{one}={value}"]
    if values.get("scope_simulated_focus"):
        command.append("--simulated-focus")
    return tuple(command)


@dataclass(frozen=True)
class ScopeRecording:
    """What a scope left in a session's folder."""

    folder: Path
    summary: Mapping[str, Any]
    """How it ended, and what became of the frames."""
    files: tuple[Path, ...]
    """Tracking files, the first one first."""

    @property
    def picture(self) -> Path | None:
        """The drawing of the beads' positions, if there is one."""
        path = self.folder / TRACKS_PICTURE_NAME
        return path if path.is_file() else None

    @property
    def plots(self) -> tuple[Path, ...]:
        """Further drawings, such as that of the focus."""
        return tuple(sorted(self.folder.glob("plot *.png")))


def read_scope_recording(session_folder: Path) -> ScopeRecording | None:
    """Return what a scope left in a session's folder; None: there was none, or it left no summary."""
    folder = session_folder / FOLDER
    try:
        summary = json.loads((folder / SUMMARY_NAME).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    files = tuple(tracking_files(folder))
    return ScopeRecording(folder, summary, files) if isinstance(summary, dict) else None
