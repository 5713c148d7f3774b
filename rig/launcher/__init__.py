"""Launching a session: launchers, and what is done around the acquisition they name."""

from opticstream.rig.launcher.base_launcher import BaseLauncher
from opticstream.rig.launcher.bonsai_launcher import BonsaiLauncher
from opticstream.rig.launcher.matlab_launcher import MatlabLauncher
from opticstream.rig.launcher.python_launcher import PythonLauncher
from opticstream.rig.launcher.report import SessionReport
from opticstream.rig.launcher.request import LaunchRequest, Source
from opticstream.rig.launcher.scope_launcher import ScopeLauncher

__all__ = [
    "BaseLauncher",
    "BonsaiLauncher",
    "LaunchRequest",
    "MatlabLauncher",
    "PythonLauncher",
    "ScopeLauncher",
    "SessionReport",
    "Source",
]
