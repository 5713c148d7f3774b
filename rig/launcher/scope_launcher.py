"""Launches a live microscope, whatever launcher the parameters name."""

from typing import ClassVar

from opticstream.rig.launcher.base_launcher import BaseLauncher


class ScopeLauncher(BaseLauncher):
    """A :class:`BaseLauncher` whose acquisition is one of launcher ``scope``."""

    kind: ClassVar[str | None] = "scope"
