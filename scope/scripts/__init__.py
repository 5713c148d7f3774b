"""Scripts that a scope runs."""

from opticstream.scope.scripts.commands import (
    ShowMessageCommand,
    SleepCommand,
    WaitUntil,
    WaitUntilAcquisitionOnCommand,
    wait_until,
)
from opticstream.scope.scripts.errors import ScriptTypeError, ScriptValueError, WaitTimeout
from opticstream.scope.scripts.live import Live
from opticstream.scope.scripts.loading import GeneratorPlan, load_script
from opticstream.scope.scripts.outputs import ScriptMessage, ScriptOutput, SendCommand, StatusChange, StepReport
from opticstream.scope.scripts.registry import ScriptCommand, ScriptRegistry, register_script_command
from opticstream.scope.scripts.runner import ScriptRunner
from opticstream.scope.scripts.script import Script, ScriptStep
from opticstream.scope.scripts.status import ScriptStatus
from opticstream.scope.scripts.units import Units

__all__ = [
    "GeneratorPlan", "Live", "Script", "ScriptCommand", "ScriptMessage", "ScriptOutput", "ScriptRegistry",
    "ScriptRunner", "ScriptStatus", "ScriptStep", "ScriptTypeError", "ScriptValueError", "SendCommand",
    "ShowMessageCommand", "SleepCommand", "StatusChange", "StepReport", "Units", "WaitTimeout", "WaitUntil",
    "WaitUntilAcquisitionOnCommand", "load_script", "register_script_command", "wait_until",
]  # fmt: skip
