"""Which protocols a session follows."""

from pydantic import Field

from opticstream.core.operator import Question
from opticstream.rig.modules import ModuleContext
from opticstream.rig.parameter_types import Protocol
from opticstream.tasks.modules.metadata_parameters import RecordParameters


class ProtocolParameters(RecordParameters):
    """Of the modules that read the session's protocol."""

    protocol_id: Protocol | None = Field(None, description="The protocol's id, or a list of them.")
    metadata_protocol_required: bool = Field(
        False, description="Whether there must be a protocol; one that is missing is asked for."
    )


def protocols_of(context: ModuleContext, parameters: ProtocolParameters) -> list[str]:
    """Return the protocols' ids; none where none is given or needed.

    Raises:
        NoAnswer: one is needed, and nobody gave it.
    """
    given = parameters.protocol_id
    items = given if isinstance(given, list) else [given]
    found = [str(item).strip() for item in items if item is not None and str(item).strip()]
    if found or not parameters.metadata_protocol_required:
        return found
    return [str(context.ask_operator(Question("protocol_id", "Which protocol does this session follow?")))]
