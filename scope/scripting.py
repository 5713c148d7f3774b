"""What scripts import: the script, its own commands, the units, and the mark for commands of one's own."""

from opticstream.scope.scripts import (
    Live,
    Script,
    ScriptRegistry,
    ScriptStatus,
    ScriptStep,
    ShowMessageCommand,
    SleepCommand,
    Units,
    WaitTimeout,
    WaitUntilAcquisitionOnCommand,
    register_script_command,
    wait_until,
)

__all__ = [
    "Live", "Script", "ScriptRegistry", "ScriptStatus", "ScriptStep", "ShowMessageCommand", "SleepCommand", "Units",
    "WaitTimeout", "WaitUntilAcquisitionOnCommand", "register_script_command", "wait_until",
]  # fmt: skip
