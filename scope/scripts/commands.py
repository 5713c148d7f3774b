"""Commands that only scripts give."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from opticstream.scope.ipc import Command
from opticstream.scope.scripts.errors import ScriptTypeError, ScriptValueError
from opticstream.scope.scripts.live import Live

Condition = Callable[[Live], object]


@dataclass(frozen=True)
class SleepCommand(Command):
    """Do nothing for a time; a paused script's sleep does not run on."""

    duration: float
    """Seconds, 0 or more."""


@dataclass(frozen=True)
class ShowMessageCommand(Command):
    """Show a message to the user."""

    text: str
    details: str | None = None


@dataclass(frozen=True)
class WaitUntilAcquisitionOnCommand(Command):
    """Ask for an answer once the acquisition is on (True) or off (False)."""

    value: bool


@dataclass(frozen=True)
class WaitUntil(Command):
    """Go on once a condition holds; made by :func:`wait_until`."""

    condition: Condition
    timeout: float | None = None
    """Seconds of running, pauses left out; None waits for ever."""


def wait_until(condition: Condition, timeout: float | None = None) -> WaitUntil:
    """Return the step that waits until ``condition(live)`` is true.

    Args:
        condition: called with the scope's newest data, at each new stack of tracks and ten times a second.
        timeout: seconds of running, pauses left out; then :class:`WaitTimeout` is raised in the script.
    """
    return WaitUntil(condition, timeout)


def check_script_only(command: Command, place: str) -> None:
    """Check the commands that a script's runner carries out by itself.

    Raises:
        ScriptTypeError: a duration or time-out is no number, or a condition cannot be called.
        ScriptValueError: a duration or time-out is negative or not finite.
    """
    if isinstance(command, SleepCommand):
        _check_seconds(f"{place}: SleepCommand.duration", command.duration)
    elif isinstance(command, WaitUntil):
        if not callable(command.condition):
            raise ScriptTypeError(
                f"{place}: wait_until", found=repr(command.condition), expected="a function of the live data",
                action="Write wait_until(lambda live: …).",
            )  # fmt: skip
        if command.timeout is not None:
            _check_seconds(f"{place}: wait_until timeout", command.timeout)


def _check_seconds(where: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScriptTypeError(where, found=repr(value), expected="seconds, a number")
    if not (math.isfinite(value) and value >= 0):
        raise ScriptValueError(where, found=repr(value), expected="0 seconds or more")
