"""Commands to the focus motor, and its answers."""

from dataclasses import dataclass

from opticstream.scope.ipc.command import Command


@dataclass(frozen=True)
class MoveFocusMotorAbsoluteCommand(Command):
    """Move the focus there."""

    z: float
    """nm."""


@dataclass(frozen=True)
class RequestFocusMotorLimitsCommand(Command):
    """Ask how far the focus can move."""


@dataclass(frozen=True)
class ReportFocusMotorLimitsCommand(Command):
    """Answer it."""

    lowest: float
    highest: float
    """nm."""
