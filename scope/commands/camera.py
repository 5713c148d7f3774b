"""Commands to the camera."""

from dataclasses import dataclass

from opticstream.scope.ipc.command import Command


@dataclass(frozen=True)
class GetCameraSettingCommand(Command):
    """Ask for a camera's setting."""

    name: str


@dataclass(frozen=True)
class SetCameraSettingCommand(Command):
    """Change a camera's setting."""

    name: str
    value: str


@dataclass(frozen=True)
class KeepCameraSettingsCommand(Command):
    """Let files say how the camera is set."""

    settings: dict[str, str]


@dataclass(frozen=True)
class SetSimulatedFocusCommand(Command):
    """Move the simulated beads against the focus."""

    offset: float
    """nm."""
