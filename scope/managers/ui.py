"""The interface's process, without a screen: what there is to show, for a page, a command or a report."""

import logging
import time
from typing import Any

from opticstream.scope.commands.scope import StartupReadyCommand
from opticstream.scope.commands.scripts import UpdateScriptStatusCommand
from opticstream.scope.commands.showing import (
    ShowErrorCommand,
    ShowWarningCommand,
    UpdateCameraSettingCommand,
    UpdateValueCommand,
)
from opticstream.scope.ipc import register_ipc_command
from opticstream.scope.ipc_commands import ShowMessageCommand
from opticstream.scope.manager_process import ManagerProcessBase
from opticstream.scope.scripts import register_script_command
from opticstream.scope.ui.ui_state import UiState

logger = logging.getLogger("opticstream.scope")


class UIManager(ManagerProcessBase):
    """Keeps the newest of everything that is to be shown, and the controls and plots that users add."""

    def __init__(self) -> None:
        super().__init__()
        self.controls_to_add: list[tuple[type[Any], int]] = []
        self.plots_to_add: list[Any] = []
        self.controls: list[Any] = []
        self._state = UiState()

    def setup(self) -> None:
        """Make the controls, and say that the interface is ready."""
        self.controls = [kind(self) for kind, _ in self.controls_to_add]
        self.send_ipc(StartupReadyCommand(self.name))

    def do_main_loop(self) -> None:
        """Let each control look at what is new."""
        for control in self.controls:
            control.update()

    @register_ipc_command(UpdateValueCommand)
    def update_value(self, name: str, value: Any) -> None:
        """Keep a value."""
        self._state.set(name, value, time.time())

    @register_ipc_command(UpdateCameraSettingCommand)
    def update_camera_setting(self, name: str, value: str) -> None:
        """Keep a setting of the camera."""
        self._state.set(f"camera {name}", value, time.time())

    @register_ipc_command(UpdateScriptStatusCommand)
    def update_script_status(self, status: str, step: str = "", error: str = "") -> None:
        """Keep where the script stands."""
        self._state.set("script", {"status": status, "step": step, "error": error}, time.time())

    @register_ipc_command(ShowMessageCommand)
    @register_script_command(ShowMessageCommand)
    def show_message(self, text: str, details: str | None = None) -> None:
        """Keep a message."""
        logger.info("%s%s", text, f": {details}" if details else "")
        self._state.note("message", text, time.time(), details or "")

    @register_ipc_command(ShowWarningCommand)
    def show_warning(self, text: str, details: str = "") -> None:
        """Keep a warning."""
        self._state.note("warning", text, time.time(), details)

    @register_ipc_command(ShowErrorCommand)
    def show_error(self, text: str, details: str = "") -> None:
        """Keep an error."""
        self._state.note("error", text, time.time(), details)
