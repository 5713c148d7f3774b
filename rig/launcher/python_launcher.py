"""Launches a Python acquisition, whatever launcher the parameters name."""

from typing import ClassVar

from opticstream.rig.launcher.base_launcher import BaseLauncher


class PythonLauncher(BaseLauncher):
    """A :class:`BaseLauncher` whose acquisition is one of launcher ``python``."""

    kind: ClassVar[str | None] = "python"
