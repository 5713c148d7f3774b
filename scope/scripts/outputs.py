"""What a script's runner wants done."""

from dataclasses import dataclass
from typing import Literal

from opticstream.scope.ipc import Command
from opticstream.scope.scripts.status import ScriptStatus


@dataclass(frozen=True, slots=True)
class SendCommand:
    """Send a command to whoever handles it."""

    command: Command


@dataclass(frozen=True, slots=True)
class StepReport:
    """A step begins."""

    number: int
    """From 1."""
    total: int | None
    """Steps of a script; None for a generator."""
    what: str
    """The command's repr."""

    @property
    def text(self) -> str:
        """The line that is shown."""
        of = "" if self.total is None else f" of {self.total}"
        return f"step {self.number}{of} {self.what}"


@dataclass(frozen=True, slots=True)
class StatusChange:
    """The status is another one now."""

    status: ScriptStatus


@dataclass(frozen=True, slots=True)
class ScriptMessage:
    """Something the user is told."""

    level: Literal["info", "warning", "error"]
    text: str
    details: str = ""


ScriptOutput = SendCommand | StepReport | StatusChange | ScriptMessage
