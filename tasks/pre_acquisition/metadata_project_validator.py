"""Check that the session's project is one of those the lab's metadata service knows, and write ``project.json``.

Upper and lower case make no difference; the service's spelling is written. A project that is missing or unknown is
asked for, from the service's list. Nobody there to ask is a failure: no project is ever taken for want of an answer.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import ClassVar

from pydantic import Field

from opticstream.core.operator import NoAnswer, Question
from opticstream.rig.modules import ModuleContext, ModuleFailed, ModuleResult
from opticstream.rig.parameter_types import Text
from opticstream.tasks.modules.metadata_parameters import MetadataParameters
from opticstream.tasks.modules.metadata_protocol import ProtocolParameters, protocols_of
from opticstream.tasks.modules.metadata_record import write_record
from opticstream.tasks.modules.metadata_service import Answer, saying, service_of

STAGES = ("pre_acquisition", "post_acquisition")
_KEY = "metadata_project_name"


class ProjectValidatorParameters(ProtocolParameters):
    """Parameters of the module."""

    ALIASES: ClassVar[Mapping[str, str]] = {**MetadataParameters.ALIASES, "project_name": "metadata_project_name"}

    metadata_project_name: Text | None = Field(None, description="The session's project.")
    projects: tuple[Text, ...] = Field((), description="The first is the project where none is named.")
    metadata_project_prompt: str = Field(
        "Which project does this session belong to?", description="What the operator is asked."
    )


PARAMETERS = ProjectValidatorParameters


def run(context: ModuleContext) -> ModuleResult:
    """Compare with the service's list, ask where that is needed, write."""
    parameters = context.read(ProjectValidatorParameters)
    with saying("the projects"):
        answer = service_of(context, parameters).get("project_names")
    names = _names(answer)
    wanted = (parameters.metadata_project_name or next(iter(parameters.projects), "")).strip()
    project = _known(wanted, names) or _asked(context, parameters, wanted, names)
    protocols = protocols_of(context, parameters)
    protocol = protocols[0] if len(protocols) == 1 else protocols or None
    record = {"project_name": project, "protocol_id": protocol, "operator": context.user_id}
    write_record(context.path("project.json"), record)
    if answer.note:
        context.log.warning("the projects: %s", answer.note)
    return ModuleResult(
        message=f"{project} ({answer.note})" if answer.note else project,
        values={_KEY: project} | ({"protocol_id": protocol} if protocol else {}),
        experiment_data={"project_name": project},
    )


def _names(answer: Answer) -> list[str]:
    body = answer.body
    if isinstance(body, dict):  # the list in an envelope
        body = body.get("data")
    names = [name.strip() for name in body if isinstance(name, str) and name.strip()] if isinstance(body, list) else []
    if not names or not answer.valid:
        raise ModuleFailed("the projects of the metadata service", found=repr(answer.body)[:100], expected="a list")
    return list(dict.fromkeys(names))


def _known(wanted: str, names: list[str]) -> str | None:
    if wanted in names:
        return wanted
    same = [name for name in names if name.casefold() == wanted.casefold()]
    return same[0] if len(same) == 1 else None


def _asked(context: ModuleContext, parameters: ProjectValidatorParameters, wanted: str, names: list[str]) -> str:
    lower = {name.casefold(): name for name in names}
    close = [lower[name] for name in get_close_matches(wanted.casefold(), lower, n=3)] if wanted else []
    unknown = f"{wanted!r} is no project of the metadata service" if wanted else ""
    hint = f"close to it: {', '.join(close)}" if close else ""
    text = ". ".join(part for part in (unknown, hint, parameters.metadata_project_prompt) if part)
    try:
        return str(context.ask_operator(Question(_KEY, text, kind="choice", choices=tuple(names))))
    except NoAnswer:
        raise ModuleFailed(
            _KEY,
            found=unknown or "nothing",
            expected=f"one of the {len(names)} projects that the service knows",
            action=f"{hint[:1].upper()}{hint[1:]}." if hint else "",
        ) from None
