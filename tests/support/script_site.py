"""What scripts run against in tests: a scope's data that the test sets, and managers whose commands are registered."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.ipc import Command
from opticstream.scope.scripts import (
    ScriptRegistry,
    ShowMessageCommand,
    WaitUntilAcquisitionOnCommand,
    register_script_command,
)


@dataclass(frozen=True)
class PushCommand(Command):
    force: float


@dataclass(frozen=True)
class UnknownCommand(Command):
    pass


class Pusher:
    @register_script_command(PushCommand)
    def push(self, force: float) -> None: ...

    @register_script_command(ShowMessageCommand)
    def show(self, text: str, details: str | None) -> None: ...

    @register_script_command(WaitUntilAcquisitionOnCommand, answers=True)
    def wait_for(self, value: bool) -> None: ...


HANDLERS: dict[type[Command], str] = {
    PushCommand: "push", ShowMessageCommand: "show", WaitUntilAcquisitionOnCommand: "wait_for",
}  # fmt: skip


def registry() -> ScriptRegistry:
    made = ScriptRegistry(HANDLERS.get)
    made.register_class_methods(Pusher)
    return made


@dataclass
class FakeLive:
    """A scope of one bead whose height the test sets."""

    height: float = float("nan")
    time: float = 0.0
    frame_number: int = -1
    settings: dict[str, Any] = field(default_factory=lambda: {"ROI": 50})

    def x(self, bead: int) -> float:
        return 0.0

    def y(self, bead: int) -> float:
        return 0.0

    def z(self, bead: int) -> float:
        return self.height

    def mean_z(self, bead: int, n: int) -> float:
        return self.height

    def tracks(self, bead: int, n: int) -> NDArray[np.float64]:
        return np.zeros((0, 7))

    def hardware(self, name: str) -> NDArray[np.float64]:
        return np.zeros(0)

    def setting(self, key: str) -> Any:
        return self.settings[key]
