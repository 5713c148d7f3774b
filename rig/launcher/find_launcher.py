"""From the parameters' ``launcher`` to a class."""

import importlib
import logging

from opticstream.core.errors import BadInput
from opticstream.rig.launcher.base_launcher import BaseLauncher
from opticstream.rig.parameters import LaunchParameters

_log = logging.getLogger("opticstream.rig")


def launcher_for(parameters: LaunchParameters, given: BaseLauncher | None) -> BaseLauncher:
    """Return the launcher of a session.

    Args:
        parameters: name it: base, bonsai, matlab, python, or ``package.module:Class``.
        given: one that somebody made already; a plain `BaseLauncher` gives way to a class that the parameters name.

    Raises:
        BadInput: the class is not there, or is none of ours.
    """
    custom = ":" in parameters.launcher
    if given is not None and not (custom and type(given) is BaseLauncher):
        return given
    if not custom:
        return BaseLauncher()
    launcher = _load(parameters.launcher)()
    if given is not None:
        launcher.param_file, launcher.rig_config_path = given.param_file, given.rig_config_path
    return launcher


def _load(name: str) -> type[BaseLauncher]:
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever a lab's module raises when it is imported
        raise BadInput(
            "launcher",
            found=f"{name} ({type(error).__name__}: {error})",
            expected="package.module:Class that can be imported here",
        ) from None
    if not (isinstance(found, type) and issubclass(found, BaseLauncher)):
        raise BadInput("launcher", found=f"{name}, a {type(found).__name__}", expected="a subclass of BaseLauncher")
    return found
