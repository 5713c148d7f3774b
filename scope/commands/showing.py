"""Commands to whoever shows things."""

from dataclasses import dataclass
from typing import Any

from opticstream.scope.ipc.command import Command


@dataclass(frozen=True)
class UpdateValueCommand(Command):
    """A value to show, by name."""

    name: str
    value: Any


@dataclass(frozen=True)
class ShowWarningCommand(Command):
    """Something went wrong, and the scope goes on."""

    text: str
    details: str = ""


@dataclass(frozen=True)
class ShowErrorCommand(Command):
    """Something went wrong that needs somebody."""

    text: str
    details: str = ""


@dataclass(frozen=True)
class UpdateCameraSettingCommand(Command):
    """A camera's setting, to show."""

    name: str
    value: str
