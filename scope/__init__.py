"""The live microscope: a camera, what tracks beads in its frames, what records them. No Prefect.

Names are imported when they are asked for, so that each process of a scope pays for what it uses only.
"""

from typing import TYPE_CHECKING

from opticstream.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from opticstream.scope.acquisition import AcquisitionMode
    from opticstream.scope.cameras import CameraBase, DummyCameraBeads, DummyCameraFastNoise, DummyCameraNoise
    from opticstream.scope.datatypes import BeadRoiBuffer, LiveProfileBuffer, MatrixBuffer, VideoBuffer
    from opticstream.scope.ipc import Command, CommandRegistry, Delivery, register_ipc_command
    from opticstream.scope.manager_process import ManagerProcessBase
    from opticstream.scope.managers.bead_lock import BeadLockManager
    from opticstream.scope.managers.camera import CameraManager
    from opticstream.scope.managers.focus_motor import FocusMotorBase
    from opticstream.scope.managers.hardware import HardwareManagerBase
    from opticstream.scope.managers.script import ScriptManager
    from opticstream.scope.managers.simulated_focus_motor import SimulatedFocusMotor
    from opticstream.scope.managers.ui import UIManager
    from opticstream.scope.managers.video_processor import VideoProcessorManager
    from opticstream.scope.managers.zlut_generation import ZLUTGenerationManager
    from opticstream.scope.scope import MagScope
    from opticstream.scope.scripts import Script, Units, register_script_command, wait_until
    from opticstream.scope.settings import MagScopeSettings
    from opticstream.scope.ui import ControlPanelBase, TimeSeriesPlotBase

_HERE = "opticstream.scope"
_NAMES = {
    "acquisition": ("AcquisitionMode",),
    "cameras": ("CameraBase", "DummyCameraBeads", "DummyCameraFastNoise", "DummyCameraNoise"),
    "datatypes": ("BeadRoiBuffer", "LiveProfileBuffer", "MatrixBuffer", "VideoBuffer"),
    "ipc": ("Command", "CommandRegistry", "Delivery", "register_ipc_command"),
    "manager_process": ("ManagerProcessBase",),
    "managers.bead_lock": ("BeadLockManager",),
    "managers.camera": ("CameraManager",),
    "managers.focus_motor": ("FocusMotorBase",),
    "managers.hardware": ("HardwareManagerBase",),
    "managers.script": ("ScriptManager",),
    "managers.simulated_focus_motor": ("SimulatedFocusMotor",),
    "managers.ui": ("UIManager",),
    "managers.video_processor": ("VideoProcessorManager",),
    "managers.zlut_generation": ("ZLUTGenerationManager",),
    "scope": ("MagScope",),
    "scripts": ("Script", "Units", "register_script_command", "wait_until"),
    "settings": ("MagScopeSettings",),
    "ui": ("ControlPanelBase", "TimeSeriesPlotBase"),
}
_MODULES = {name: f"{_HERE}.{module}" for module, names in _NAMES.items() for name in names}

__all__ = [
    "AcquisitionMode",
    "BeadLockManager",
    "BeadRoiBuffer",
    "CameraBase",
    "CameraManager",
    "Command",
    "CommandRegistry",
    "ControlPanelBase",
    "Delivery",
    "DummyCameraBeads",
    "DummyCameraFastNoise",
    "DummyCameraNoise",
    "FocusMotorBase",
    "HardwareManagerBase",
    "LiveProfileBuffer",
    "MagScope",
    "MagScopeSettings",
    "ManagerProcessBase",
    "MatrixBuffer",
    "Script",
    "ScriptManager",
    "SimulatedFocusMotor",
    "TimeSeriesPlotBase",
    "UIManager",
    "Units",
    "VideoBuffer",
    "VideoProcessorManager",
    "ZLUTGenerationManager",
    "register_ipc_command",
    "register_script_command",
    "wait_until",
]

__getattr__, __dir__ = lazy_exports(_HERE, _MODULES)
