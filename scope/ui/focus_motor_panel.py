"""The panel of the focus motor."""

from typing import Any

from opticstream.scope.commands.focus import MoveFocusMotorAbsoluteCommand
from opticstream.scope.ui.controls import ControlPanelBase


class FocusMotorPanel(ControlPanelBase):
    """Shows where the focus is and where it goes, and moves it.

    Args:
        manager: the user interface's manager; its scope's focus motor is the one.
    """

    def __init__(self, manager: Any) -> None:
        super().__init__(manager, "Focus motor")

    def update(self) -> None:
        """Show the newest row of the motor."""
        shared = self.manager.shared
        if shared.focus_motor is None:
            return
        for _, z, target, there in shared.hardware_buffers[shared.focus_motor].newest(1).tolist():
            self.set_value("position", round(z, 1), "nm")
            self.set_value("target", round(target, 1), "nm")
            self.set_value("state", "at target" if there else "moving")

    def move_to(self, z: float) -> None:
        """Move the focus to z, nm; beyond its limits it goes to the limit."""
        self.manager.send_ipc(MoveFocusMotorAbsoluteCommand(z))

    def move_by(self, dz: float) -> None:
        """Move the focus by dz, nm, from the target it has; nothing happens before it has one."""
        if "target" in self.values:
            self.move_to(self.values["target"][0] + dz)
