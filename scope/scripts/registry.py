"""Which commands scripts may give, and who carries them out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from opticstream.core.errors import BadInput
from opticstream.scope.ipc import Command
from opticstream.scope.scripts.commands import SleepCommand, WaitUntil, check_script_only
from opticstream.scope.scripts.errors import ScriptTypeError, ScriptValueError
from opticstream.scope.scripts.script import ScriptStep

_Function = TypeVar("_Function", bound=Callable[..., Any])
_TAG = "_opticstream_script_command"
_OWN = (SleepCommand, WaitUntil)
"""What the runner carries out itself."""


def register_script_command(command: type[Command], *, answers: bool = False) -> Callable[[_Function], _Function]:
    """Mark a manager's method as the one that carries out a command of scripts.

    The method needs ``@register_ipc_command`` for the same command too.

    Args:
        command: class of the command.
        answers: the method makes sure that the script is told when the command is done (``UpdateWaitingCommand``);
            only such commands may be waited for.

    Raises:
        TypeError: ``command`` is no class of commands.
    """
    if not (isinstance(command, type) and issubclass(command, Command)):
        raise ScriptTypeError("register_script_command", found=repr(command), expected="a subclass of Command")

    def mark(function: _Function) -> _Function:
        setattr(function, _TAG, (command, answers))
        return function

    return mark


@dataclass(frozen=True, slots=True)
class ScriptCommand:
    """One command that scripts may give."""

    command: type[Command]
    owner: str
    """Name of the manager's class."""
    handler: str
    """Name of its method."""
    answers: bool


class ScriptRegistry:
    """The commands that scripts may give.

    Args:
        handler_of: name of the method that handles a command between processes, or None where nobody does.
    """

    def __init__(self, handler_of: Callable[[type[Command]], str | None]) -> None:
        self._handler_of = handler_of
        self._commands: dict[type[Command], ScriptCommand] = {}

    @property
    def commands(self) -> tuple[ScriptCommand, ...]:
        """All of them, by name."""
        return tuple(sorted(self._commands.values(), key=lambda each: each.command.__name__))

    def lines(self) -> list[str]:
        """Return ``Command -> Class.method`` of each, by name."""
        return [f"{each.command.__name__} -> {each.owner}.{each.handler}" for each in self.commands]

    def register_class_methods(self, owner: type) -> None:
        """Register all marked methods of a class; a method that a subclass overrides counts as the subclass has it.

        Raises:
            ValueError: a command is registered already.
        """
        for name in dict.fromkeys(name for base in owner.__mro__ for name in vars(base)):
            marked = getattr(getattr(owner, name, None), _TAG, None)
            if marked is not None:
                command, answers = marked
                self._add(ScriptCommand(command, owner.__name__, name, answers))

    def _add(self, entry: ScriptCommand) -> None:
        before = self._commands.get(entry.command)
        if before is not None:
            raise ScriptValueError(
                f"script command {entry.command.__name__}", found=f"{entry.owner}.{entry.handler}",
                expected=f"one handler, which is {before.owner}.{before.handler} already",
            )  # fmt: skip
        self._commands[entry.command] = entry

    def answers(self, command: Command) -> bool:
        """Say whether a command is answered, so that a script can wait for it."""
        entry = self._commands.get(type(command))
        return entry is not None and entry.answers

    def validate(self, step: ScriptStep) -> None:
        """Check that a step can be carried out.

        Raises:
            BadInput: scripts may not give its command, or nobody handles it; the error names file and line.
            ScriptTypeError: a value of a command that the runner carries out itself is of the wrong kind.
            ScriptValueError: such a value is out of range, or the step waits for an answer that nobody gives.
        """
        command, name = step.command, type(step.command).__name__
        check_script_only(command, step.place)
        if isinstance(command, _OWN):
            return
        entry = self._commands.get(type(command))
        if entry is None:
            raise BadInput(
                f"{step.place}: {name}", found="no command of scripts",
                expected="one that a manager registers with @register_script_command",
            )  # fmt: skip
        handler = self._handler_of(type(command))
        if handler != entry.handler:
            raise BadInput(
                f"{step.place}: {name}", found="nobody handles it" if handler is None else f"{handler} handles it",
                expected=f"{entry.owner}.{entry.handler}, as registered for scripts",
            )  # fmt: skip
        if step.wait and not entry.answers:
            raise ScriptValueError(
                f"{step.place}: {name}", found="wait=True", expected="a command that is answered",
                action="Leave wait out, or wait for a condition with wait_until.",
            )  # fmt: skip
