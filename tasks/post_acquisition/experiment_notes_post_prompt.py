"""Ask for a note about the session, and add it to the notes with its time.

A blank answer adds nothing. A parameter ``experiment_notes_post`` answers beforehand.
"""

from pydantic import Field

from opticstream.core.operator import Question
from opticstream.rig.modules import ModuleContext, ModuleResult
from opticstream.tasks.modules.experiment_notes import ExperimentNotes, NotesParameters


class NotesPromptParameters(NotesParameters):
    """Parameters of the module."""

    experiment_notes_prompt: str = Field("Notes on this session?", description="What the operator reads.")


PARAMETERS = NotesPromptParameters


def run(context: ModuleContext) -> ModuleResult:
    """Ask, and add the answer."""
    parameters = context.read(NotesPromptParameters)
    notes = ExperimentNotes(context, parameters)
    answer = context.ask(Question("experiment_notes_post", parameters.experiment_notes_prompt, required=False))
    if not answer:
        return ModuleResult(message="nothing noted")
    notes.append(str(answer))
    return ModuleResult(message="noted", experiment_data={"experiment_notes": notes.text()})
