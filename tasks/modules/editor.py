"""A text editor beside the session: started without waiting for it, and closed at the end."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from opticstream.core.errors import BadInput
from opticstream.core.files import write_text, writing
from opticstream.core.process_identity import process_birth

RECORD = "experiment_notes_editor.json"
_IN_A_TERMINAL = frozenset({"ed", "hx", "joe", "micro", "nano", "nvim", "pico", "vi", "vim"})
"""Editors that need the terminal the launcher has."""


class EditorRecord(BaseModel):
    """Which process edits a file; the birth tells it from a later one with the same pid."""

    model_config = ConfigDict(frozen=True)

    pid: int
    birth: str
    command: tuple[str, ...]


def usual_editor(environment: Mapping[str, str]) -> list[str] | None:
    """Return the editor's command of this system; None: there is no screen, or no editor with a window.

    Args:
        environment: of this process.
    """
    if os.name == "nt":
        return ["notepad.exe"]
    if sys.platform == "darwin":
        return ["open", "-t"]
    if not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        return None
    for command in (environment.get("VISUAL"), environment.get("EDITOR"), "xdg-open"):
        words = (command or "").split()
        if words and Path(words[0]).name not in _IN_A_TERMINAL and shutil.which(words[0]):
            return words
    return None


def start_editor(command: Sequence[str], file: Path, record: Path) -> EditorRecord:
    """Start an editor on a file, note who it is and leave it alone; it outlives this process.

    Args:
        command: program and arguments; the file comes last.
        file: what to edit.
        record: where to note it, JSON.

    Raises:
        BadInput: there is no such program, or it cannot be started.
        WriteFailed: the note cannot be written; the editor runs.
    """
    words = [*command, str(file)]
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=os.name != "nt",
            creationflags=_detached(),
        )
    except OSError as error:
        raise BadInput(
            "experiment_notes_editor_command",
            found=f"{words[0]}: {error.strerror or error}",
            expected="a program that can be started",
            action="Name one that is installed, or set experiment_notes_launch_editor to false.",
        ) from None
    # Somebody has to take its exit code while this process lives, or it stays a zombie.
    threading.Thread(target=process.wait, name=f"opticstream-editor-{process.pid}", daemon=True).start()
    found = EditorRecord(pid=process.pid, birth=process_birth(process.pid) or "", command=tuple(words))
    with writing(record):
        write_text(record, json.dumps(found.model_dump(), indent=2) + "\n")
    return found


def close_editor(record: Path, timeout_s: float = 5) -> str:
    """Ask the noted editor to close; one that asks about unsaved changes stays.

    Args:
        record: what :func:`start_editor` noted.
        timeout_s: how long it may take, seconds.

    Returns:
        What happened, in a few words; empty where none was started, or it is closed already.
    """
    try:
        noted = EditorRecord.model_validate_json(record.read_bytes())
    except (OSError, ValidationError):
        return ""
    if not noted.birth or process_birth(noted.pid) != noted.birth:
        return ""
    try:
        process = psutil.Process(noted.pid)
        if os.name == "nt":  # not verified here; without /F the window is asked, as by its close button
            subprocess.run(["taskkill", "/PID", str(noted.pid)], capture_output=True, check=False, timeout=timeout_s)
        else:
            process.terminate()
        process.wait(timeout_s)
    except psutil.NoSuchProcess:
        return "editor closed"
    except (psutil.Error, subprocess.TimeoutExpired, OSError):
        return "the editor is still open"
    return "editor closed"


def _detached() -> int:
    """Return Windows' flags for a process of its own (not verified here)."""
    return getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "DETACHED_PROCESS", 0)
