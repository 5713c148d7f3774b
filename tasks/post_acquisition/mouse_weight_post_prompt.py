"""Ask for the animal's weight after the experiment.

The weight, in grams, is added to ``mouse_weight.csv`` of the session folder, one row per answer
(``timestamp,stage,weight_g``); a number outside the plausible range is asked for again. A parameter
``mouse_weight_post_g`` answers beforehand. Later steps find the weight as ``mouse_weight_g``.
"""

from opticstream.rig.modules import ModuleContext, ModuleResult
from opticstream.tasks.modules.mouse_weight import MouseWeightParameters, ask_weight

PARAMETERS = MouseWeightParameters


def run(context: ModuleContext) -> ModuleResult:
    """Ask, and write the answer down."""
    return ask_weight(context, "post")
