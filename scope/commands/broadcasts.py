"""Commands to every process of a scope."""

from dataclasses import dataclass
from typing import Any

from opticstream.scope.acquisition import AcquisitionMode
from opticstream.scope.ipc.command import Command


@dataclass(frozen=True)
class QuitCommand(Command):
    """End the scope."""


@dataclass(frozen=True)
class EchoCommand(Command):
    """Tell the scope when this is reached: what was sent before it is over then."""

    token: int


@dataclass(frozen=True)
class SetSettingsCommand(Command):
    """Use these settings."""

    settings: Any
    """A ``MagScopeSettings``."""


@dataclass(frozen=True)
class SetAcquisitionOnCommand(Command):
    """Process the camera's frames, or let them pass."""

    value: bool


@dataclass(frozen=True)
class SetAcquisitionDirCommand(Command):
    """Save into this folder; None: nowhere."""

    value: str | None


@dataclass(frozen=True)
class SetAcquisitionDirOnCommand(Command):
    """Save, or do not."""

    value: bool


@dataclass(frozen=True)
class SetAcquisitionModeCommand(Command):
    """Track, save video, or both."""

    mode: AcquisitionMode


@dataclass(frozen=True)
class UpdateBeadRoisCommand(Command):
    """Read the regions of the beads again: they have changed."""
