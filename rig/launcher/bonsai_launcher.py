"""Launches a Bonsai acquisition, whatever launcher the parameters name."""

from typing import ClassVar

from opticstream.rig.launcher.base_launcher import BaseLauncher


class BonsaiLauncher(BaseLauncher):
    """A :class:`BaseLauncher` whose acquisition is one of launcher ``bonsai``."""

    kind: ClassVar[str | None] = "bonsai"
