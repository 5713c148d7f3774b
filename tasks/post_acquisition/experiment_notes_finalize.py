"""Have the notes confirmed, close their editor, and put them into the session's record.

The notes as they are on the disk are shown, so that what was not saved is noticed. The editor is asked to close; one
with unsaved changes may stay open.
"""

from typing import Annotated

from pydantic import Field

from opticstream.core.operator import Question
from opticstream.rig.modules import ModuleContext, ModuleFailed, ModuleResult
from opticstream.rig.parameter_types import Whole
from opticstream.tasks.modules.editor import RECORD, close_editor
from opticstream.tasks.modules.experiment_notes import ExperimentNotes, NotesParameters


class NotesFinalizeParameters(NotesParameters):
    """Parameters of the module."""

    experiment_notes_preview: bool = Field(True, description="Whether the notes are shown.")
    experiment_notes_preview_limit: Annotated[Whole, Field(gt=0)] | None = Field(
        None, description="Longest preview, characters; absent: all of it."
    )
    experiment_notes_confirm_prompt: str = Field(
        "Are the notes complete and saved?", description="What the operator is asked."
    )
    experiment_notes_allow_no: bool = Field(False, description="Whether no is an answer that goes on.")
    experiment_notes_confirm_max_attempts: Annotated[Whole, Field(ge=1)] = Field(
        3, description="How often the operator may say no before it is a failure."
    )
    experiment_notes_autoclose_editor: bool = Field(True, description="Whether the editor is closed afterwards.")


PARAMETERS = NotesFinalizeParameters


def run(context: ModuleContext) -> ModuleResult:
    """Show, ask, close, record."""
    parameters = context.read(NotesFinalizeParameters)
    notes = ExperimentNotes(context, parameters)
    confirmed = _confirmed(context, parameters, notes)
    said = "" if confirmed else "not confirmed"
    if parameters.experiment_notes_autoclose_editor:
        said = ", ".join(part for part in (said, close_editor(context.metadata_folder / RECORD)) if part)
    text = notes.text()
    lines = len(text.splitlines())
    return ModuleResult(
        message=f"{lines} lines" + (f", {said}" if said else ""),
        experiment_data={"experiment_notes": text, "experiment_notes_confirmed": confirmed},
    )


def _confirmed(context: ModuleContext, parameters: NotesFinalizeParameters, notes: ExperimentNotes) -> bool:
    question = Question(
        "experiment_notes_confirmed", parameters.experiment_notes_confirm_prompt, kind="confirm", default=True
    )
    attempts = parameters.experiment_notes_confirm_max_attempts
    shown = None
    for _ in range(attempts):
        text = notes.text()
        if parameters.experiment_notes_preview and text != shown:
            context.operator.tell(_preview(text, parameters.experiment_notes_preview_limit) or "There are no notes.")
            shown = text
        if context.ask(question):
            return True
        if parameters.experiment_notes_allow_no:
            return False
    raise ModuleFailed(question.key, found=f"no, {attempts} times", expected="yes, once the notes are saved")


def _preview(text: str, limit: int | None) -> str:
    if limit is None or len(text) <= limit:
        return text
    return f"{text[:limit]}\n… {len(text) - limit} more characters"
