"""Whose records are fetched."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from opticstream.core.errors import BadInput
from opticstream.rig.modules import ModuleContext
from opticstream.rig.parameter_types import Text
from opticstream.tasks.modules.metadata_parameters import MetadataParameters, RecordParameters


class SubjectParameters(RecordParameters):
    """Of the modules that fetch something about the subject."""

    ALIASES: ClassVar[Mapping[str, str]] = {**MetadataParameters.ALIASES, "metadata_mouse_id": "metadata_subject_id"}

    metadata_subject_id: Text | None = Field(None, description="The service's id of the subject; absent: subject_id.")


def subject_of(context: ModuleContext, parameters: SubjectParameters) -> str:
    """Return the id to ask for.

    Raises:
        BadInput: there is none.
    """
    found = (parameters.metadata_subject_id or context.subject_id).strip()
    if not found:
        raise BadInput("metadata_subject_id", found="nothing, and no subject_id", expected="a subject")
    return found
