"""An example to copy: a module is a file with a function ``run(context)``.

It logs a line, and hands a value on to all later steps.
"""

from pydantic import Field

from opticstream.rig.modules import ModuleContext, ModuleParameters, ModuleResult


class ExampleParameters(ModuleParameters):
    """What the module reads; each field becomes a row of the docs."""

    example_message: str = Field("Hello", description="What is logged.")


PARAMETERS = ExampleParameters


def run(context: ModuleContext) -> ModuleResult:
    """Log a line and return it."""
    parameters = context.read(ExampleParameters)
    context.log.info("%s, %s in %s", parameters.example_message, context.subject_id, context.session_folder)
    return ModuleResult(message=parameters.example_message, values={"example_value": len(parameters.example_message)})
