"""Get the record of the subject's procedures from the lab's metadata service into the session folder.

Procedures take the service long, so this module waits for at least 45 s where nothing else is said. When the service
does not answer, its last good answer is taken, and its age is said. A record that the service calls invalid is kept as
``procedures.invalid.json``.
"""

from pydantic import Field

from opticstream.rig.modules import ModuleContext, ModuleResult
from opticstream.rig.parameter_types import PositiveSeconds
from opticstream.tasks.modules.metadata_record import fetch_record
from opticstream.tasks.modules.metadata_subject import SubjectParameters, subject_of

STAGES = ("pre_acquisition", "post_acquisition")
_USUAL_S = 45


class ProceduresFetchParameters(SubjectParameters):
    """Parameters of the module."""

    metadata_procedures_path: str = Field("procedures.json", description="The file; relative to the session folder.")
    metadata_procedures_timeout: PositiveSeconds | None = Field(
        None, description="Longest time one request may take, seconds; absent: the service's, and at least 45."
    )


PARAMETERS = ProceduresFetchParameters


def run(context: ModuleContext) -> ModuleResult:
    """Fetch and write."""
    parameters = context.read(ProceduresFetchParameters)
    return fetch_record(
        context,
        parameters,
        kind="procedures",
        wanted=subject_of(context, parameters),
        name=parameters.metadata_procedures_path,
        timeout_s=parameters.metadata_procedures_timeout or max(parameters.metadata_service_timeout, _USUAL_S),
    )
