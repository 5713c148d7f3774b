"""Bases of hardware managers under the module name that the documented API gives them."""

from opticstream.scope.managers.focus_motor import FocusMotorBase
from opticstream.scope.managers.hardware import HardwareManagerBase

__all__ = ["FocusMotorBase", "HardwareManagerBase"]
