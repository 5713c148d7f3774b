"""Get the subject's record from the lab's metadata service into the session folder.

When the service does not answer, its last good answer is taken, and its age is said. A record that the service calls
invalid is kept as ``subject.invalid.json``.
"""

from pydantic import Field

from opticstream.rig.modules import ModuleContext, ModuleResult
from opticstream.tasks.modules.metadata_record import fetch_record
from opticstream.tasks.modules.metadata_subject import SubjectParameters, subject_of

STAGES = ("pre_acquisition", "post_acquisition")


class SubjectFetchParameters(SubjectParameters):
    """Parameters of the module."""

    metadata_subject_path: str = Field("subject.json", description="The file; relative to the session folder.")


PARAMETERS = SubjectFetchParameters


def run(context: ModuleContext) -> ModuleResult:
    """Fetch and write."""
    parameters = context.read(SubjectFetchParameters)
    wanted = subject_of(context, parameters)
    return fetch_record(context, parameters, kind="subject", wanted=wanted, name=parameters.metadata_subject_path)
