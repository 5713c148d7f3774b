"""A script as a list of steps."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from opticstream.scope.ipc import Command
from opticstream.scope.scripts.errors import ScriptTypeError, ScriptValueError


@dataclass(frozen=True, slots=True)
class ScriptStep:
    """One command, and whether the script goes on only when it was answered; a generator may yield it."""

    command: Command
    wait: bool = False
    place: str = field(default="script", compare=False)
    """File and line that gave it."""


class Script:
    """Commands in the order they are to be carried out.

    A file has exactly one at its top level::

        script = Script()
        script.append(SetAcquisitionOnCommand(True))
        script.append(SleepCommand(10))
    """

    def __init__(self) -> None:
        self.steps: list[ScriptStep] = []
        self.path: Path | None = None
        """The file it was loaded from."""

    def __len__(self) -> int:
        return len(self.steps)

    def append(self, command: Command, wait: bool = False) -> None:
        """Add a step.

        Args:
            command: what to do.
            wait: go on only when the command was answered; for commands that are registered with ``answers=True``.

        Raises:
            TypeError: ``command`` is no command; its class is not enough.
            ValueError: ``wait`` is neither True nor False.
        """
        caller = sys._getframe(1)
        place = f"{caller.f_code.co_filename}:{caller.f_lineno}"
        if not isinstance(command, Command):
            raise ScriptTypeError(f"{place}: Script.append", found=repr(command), expected="a command")
        if not isinstance(wait, bool):
            raise ScriptValueError(f"{place}: Script.append wait", found=repr(wait), expected="True or False")
        self.steps.append(ScriptStep(command, wait, place))
