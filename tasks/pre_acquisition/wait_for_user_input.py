"""Wait until the operator says that the session may go on.

Without ``fail_if_no_input`` a blank answer is enough, and nobody being there, or the time being over, is only a
warning. With it somebody has to say yes.
"""

from pydantic import Field

from opticstream.core.operator import NoAnswer, Question
from opticstream.rig.modules import ModuleContext, ModuleFailed, ModuleParameters, ModuleResult

STAGES = ("pre_acquisition", "post_acquisition")
_KEY = "wait_for_user_input"


class WaitParameters(ModuleParameters):
    """Parameters of the module."""

    prompt: str = Field("Ready to go on?", description="What the operator reads.")
    fail_if_no_input: bool = Field(False, description="Whether somebody has to say yes.")


PARAMETERS = WaitParameters


def run(context: ModuleContext) -> ModuleResult:
    """Ask, and go on."""
    parameters = context.read(WaitParameters)
    if parameters.fail_if_no_input:
        if context.ask(Question(_KEY, parameters.prompt, kind="confirm")):
            return ModuleResult(message="confirmed")
        raise ModuleFailed(_KEY, found="no", expected="yes")
    try:
        answer = context.ask(Question(_KEY, f"{parameters.prompt} (a blank answer goes on)", required=False))
    except NoAnswer as error:
        context.log.warning("nobody answered, going on: %s", error)
        return ModuleResult(message="nobody answered")
    return ModuleResult(message=f"answered: {answer}" if answer else "")
