"""Commands to the script manager."""

from dataclasses import dataclass

from opticstream.scope.ipc.command import Command


@dataclass(frozen=True)
class LoadScriptCommand(Command):
    """Read a script; an empty path forgets the present one."""

    path: str


@dataclass(frozen=True)
class StartScriptCommand(Command):
    """Run it from its first step."""


@dataclass(frozen=True)
class PauseScriptCommand(Command):
    """Stop before its next step, and its clock with it."""


@dataclass(frozen=True)
class ResumeScriptCommand(Command):
    """Go on."""


@dataclass(frozen=True)
class AbortScriptCommand(Command):
    """End it now."""


@dataclass(frozen=True)
class UpdateWaitingCommand(Command):
    """What a script waits for has happened."""


@dataclass(frozen=True)
class ProcessDiedCommand(Command):
    """A process died and was started anew: what it was asked it does not know any more."""

    process_name: str


@dataclass(frozen=True)
class UpdateScriptStatusCommand(Command):
    """Where the script stands."""

    status: str
    step: str = ""
    error: str = ""
