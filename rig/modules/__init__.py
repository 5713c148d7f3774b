"""Modules of the pipelines before and after an acquisition: what they are, how they are found and run."""

from opticstream.rig.modules.adapt import adapt
from opticstream.rig.modules.by_hand import session_context
from opticstream.rig.modules.contract import ModuleContext, ModuleFailed, ModuleParameters, ModuleResult
from opticstream.rig.modules.describe import ModuleDescription, ParameterDescription, describe
from opticstream.rig.modules.find import find_module, list_modules
from opticstream.rig.modules.judge import judge
from opticstream.rig.modules.lacking import LACKING, Lacking
from opticstream.rig.modules.module import Module
from opticstream.rig.modules.run_module import Callee, find_callee, run_entry
from opticstream.rig.modules.script import Script, find_script

__all__ = [
    "LACKING",
    "Callee",
    "Lacking",
    "Module",
    "ModuleContext",
    "ModuleDescription",
    "ModuleFailed",
    "ModuleParameters",
    "ModuleResult",
    "ParameterDescription",
    "Script",
    "adapt",
    "describe",
    "find_callee",
    "find_module",
    "find_script",
    "judge",
    "list_modules",
    "run_entry",
    "session_context",
]
