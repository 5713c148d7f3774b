"""Open the session's notes in an editor, and go on at once.

The file is made in the session folder. The editor is ``notepad.exe`` on Windows, elsewhere ``$VISUAL``, ``$EDITOR`` or
``xdg-open`` where there is a screen; without one only the file is made. Its process is noted in
``launcher_metadata/experiment_notes_editor.json``, so that `experiment_notes_finalize` can close it.
"""

import os

from pydantic import Field

from opticstream.rig.modules import ModuleContext, ModuleResult
from opticstream.rig.parameter_types import Arguments
from opticstream.tasks.modules.editor import RECORD, start_editor, usual_editor
from opticstream.tasks.modules.experiment_notes import ExperimentNotes, NotesParameters

STAGES = ("pre_acquisition", "post_acquisition")


class NotesEditorParameters(NotesParameters):
    """Parameters of the module."""

    experiment_notes_launch_editor: bool = Field(True, description="Whether an editor is opened; else only the file.")
    experiment_notes_editor_command: str | None = Field(
        None, description="The editor's program; absent: the system's. One that is named must be there."
    )
    experiment_notes_editor_args: Arguments = Field((), description="Arguments before the file's name.")


PARAMETERS = NotesEditorParameters


def run(context: ModuleContext) -> ModuleResult:
    """Make the file, open the editor."""
    parameters = context.read(NotesEditorParameters)
    notes = ExperimentNotes(context, parameters)
    notes.create()
    if not parameters.experiment_notes_launch_editor:
        return ModuleResult(message=notes.path.name)
    named = parameters.experiment_notes_editor_command
    command = [named] if named else usual_editor(os.environ)
    if command is None:
        context.log.warning("no screen, or no editor with a window: write the notes to %s", notes.path)
        return ModuleResult(message=f"{notes.path.name}, no editor here")
    record = start_editor(
        [*command, *parameters.experiment_notes_editor_args], notes.path, context.metadata_folder / RECORD
    )
    return ModuleResult(message=f"{notes.path.name} open, process {record.pid}")
