"""Launches a Matlab acquisition, whatever launcher the parameters name."""

from typing import ClassVar

from opticstream.rig.launcher.base_launcher import BaseLauncher


class MatlabLauncher(BaseLauncher):
    """A :class:`BaseLauncher` whose acquisition is one of launcher ``matlab``."""

    kind: ClassVar[str | None] = "matlab"
