"""Check that the session's protocols are known to the lab's metadata service, and keep their records.

``protocol_id`` may be a list; ``protocol.json`` holds one record, or the list of them. When the service does not
answer, its last good answer is taken, and its age is said.
"""

from pydantic import Field

from opticstream.rig.modules import ModuleContext, ModuleResult
from opticstream.tasks.modules.metadata_protocol import ProtocolParameters, protocols_of
from opticstream.tasks.modules.metadata_record import check_record, write_record
from opticstream.tasks.modules.metadata_service import saying, service_of

STAGES = ("pre_acquisition", "post_acquisition")


class ProtocolValidatorParameters(ProtocolParameters):
    """Parameters of the module."""

    metadata_protocol_path: str = Field("protocol.json", description="The file; relative to the session folder.")


PARAMETERS = ProtocolValidatorParameters


def run(context: ModuleContext) -> ModuleResult:
    """Fetch each record, write them all."""
    parameters = context.read(ProtocolValidatorParameters)
    protocols = protocols_of(context, parameters)
    if not protocols:
        return ModuleResult(message="no protocol_id")
    path = context.path(parameters.metadata_protocol_path)
    service = service_of(context, parameters)
    answers = []
    for protocol in protocols:
        with saying(f"protocol {protocol}"):
            answers.append(service.get("protocols", protocol))
        check_record(answers[-1], f"protocol {protocol}", parameters)
    bodies = [answer.body for answer in answers]
    valid = all(answer.valid for answer in answers)
    written = write_record(path, bodies[0] if len(bodies) == 1 else bodies, valid=valid)
    notes = [f"{name}: {answer.note}" for name, answer in zip(protocols, answers, strict=True) if answer.note]
    for note in notes:
        context.log.warning("protocol %s", note)
    message = "; ".join([written.name, *notes])
    return ModuleResult(message=message, experiment_data={"metadata_protocols": message})
