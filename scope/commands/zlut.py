"""Commands to the Z-LUT generation."""

from dataclasses import dataclass

from opticstream.scope.ipc.command import Command


@dataclass(frozen=True)
class StartZLUTGenerationCommand(Command):
    """Make a Z-LUT by moving the focus."""

    start: float
    step: float
    stop: float
    """nm."""
    profiles_per_bead: int


@dataclass(frozen=True)
class CancelZLUTGenerationCommand(Command):
    """Make none."""


@dataclass(frozen=True)
class SelectZLUTBeadCommand(Command):
    """Take the profiles of this bead."""

    bead: int


@dataclass(frozen=True)
class SaveZLUTCommand(Command):
    """Write the new Z-LUT, and use it where ``load`` says so."""

    filepath: str
    load: bool = False


@dataclass(frozen=True)
class DiscardZLUTCommand(Command):
    """Forget the new Z-LUT."""
