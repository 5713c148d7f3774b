"""The session's notes: one text file that people write in, and that modules add to."""

from datetime import datetime
from pathlib import Path

from pydantic import Field

from opticstream.rig.modules import ModuleContext, ModuleParameters
from opticstream.tasks.modules.session_text import append_line, read_session_text


class NotesParameters(ModuleParameters):
    """Parameters that every notes module reads."""

    experiment_notes_filename: str = Field(
        "experiment_notes.txt", min_length=1, description="The notes' file; relative to the session folder."
    )
    experiment_notes_encoding: str = Field("utf-8", description="Its text encoding.")


class ExperimentNotes:
    """The notes of one session.

    Args:
        context: of the module.
        parameters: which file.

    Raises:
        BadInput: the file's name leads out of the session folder.
    """

    def __init__(self, context: ModuleContext, parameters: NotesParameters) -> None:
        self.path: Path = context.path(parameters.experiment_notes_filename)
        self._encoding = parameters.experiment_notes_encoding

    def create(self) -> None:
        """Make the file with its first lines, unless it is there.

        Raises:
            WriteFailed: the disk refuses.
        """
        if not self.path.exists():
            append_line(self.path, f"# Created: {_now()}", header="# Experiment Notes", encoding=self._encoding)

    def append(self, text: str) -> None:
        """Add a note with its time.

        Raises:
            WriteFailed: the disk refuses.
        """
        self.create()
        append_line(self.path, f"[{_now()}] {text}", encoding=self._encoding)

    def text(self) -> str:
        """Return all of it; empty where there is no file.

        Raises:
            BadFile: it cannot be read.
        """
        return read_session_text(self.path, self._encoding) if self.path.exists() else ""


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
