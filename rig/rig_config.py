"""What is true of this rig whatever the experiment: a TOML file at the platform's place."""

import logging
import os
import re
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from opticstream.core.config_folder import config_folder
from opticstream.core.errors import BadFile
from opticstream.core.files import read_failed, write_text
from opticstream.core.settings import Settings, load_settings
from opticstream.rig.parameters import lookup
from opticstream.rig.toml_table import dates_as_text, read_toml

log = logging.getLogger(__name__)

_NAME = "rig_config.toml"
_OF_OLDER_RIGS = Path("C:/RigConfig") / _NAME
_FIRST = """\
# What is true of this rig, whatever the experiment. A parameter file wins over it.
#
# Every key here can stand in a parameter file as {{rig_param:KEY}}, a key of a [table] as {{rig_param:table.KEY}}.
# Keys with the name of a parameter are its default on this rig, for example:
#
#   output_root_folder = 'D:/data'
#   COM_port = 'COM3'
#
# The name of this rig:
rig_id = {rig}
"""


class RigConfig:
    """This rig's values, read only.

    Args:
        values: tables and values as TOML gives them.
        path: the file they stand in; None: they stand in none.

    Raises:
        BadFile: ``rig_id`` is there and is not a text that says something.
    """

    def __init__(self, values: Mapping[str, Any], path: Path | None = None) -> None:
        self.path = path
        self._values: Mapping[str, Any] = MappingProxyType({key: dates_as_text(value) for key, value in values.items()})
        name = self._values.get("rig_id", socket.gethostname())
        if not isinstance(name, str) or not name.strip():
            raise BadFile(f"{path}: rig_id", found=repr(name), expected="the name of this rig, in quotes")
        self.rig_id = name.strip()

    @property
    def values(self) -> Mapping[str, Any]:
        """Return the top level; dates and times are ISO texts."""
        return self._values

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value, with dots for what stands in a table; ``default`` if it is not there."""
        found = lookup(self._values, name)
        return default if found is None else found


def rig_config_place(settings: Settings) -> Path:
    """Return where this rig's configuration is looked for when nobody names a file.

    ``OPTICSTREAM_RIG_CONFIG``, else ``C:/RigConfig/rig_config.toml`` on Windows where that exists (not verified
    here), else the application's home if it was moved, else the user's configuration folder.
    """
    if settings.rig_config is not None:
        return settings.rig_config
    if os.name == "nt" and _OF_OLDER_RIGS.is_file():
        return _OF_OLDER_RIGS
    return config_folder(settings) / _NAME


def load_rig_config(path: Path | None = None, *, settings: Settings | None = None, create: bool = True) -> RigConfig:
    """Read this rig's configuration.

    Args:
        path: the file somebody named, which must exist; None: the usual place, see `rig_config_place`.
        settings: tell the usual place; default: those of this process.
        create: write a first file, with comments, at the usual place when none is there. If that fails, a warning.

    Raises:
        BadFile: it cannot be read, is no TOML (with line and column), or has no usable ``rig_id``.
    """
    place = path or rig_config_place(settings or load_settings())
    try:
        content = place.read_bytes()
    except FileNotFoundError as error:
        if path is not None:
            raise read_failed(place, error) from None
        return _first(place, create)
    except OSError as error:
        raise read_failed(place, error) from None
    return RigConfig(read_toml(content, str(place)), place)


def first_text(host: str) -> str:
    """Return the content of a first rig configuration, which names the rig after its computer."""
    return _FIRST.format(rig=f'"{re.sub(r"[^A-Za-z0-9_.-]", "_", host) or "rig"}"')


def _first(place: Path, create: bool) -> RigConfig:
    if not create:
        return RigConfig({})
    text = first_text(socket.gethostname())
    try:
        write_text(place, text)
    except OSError as error:
        log.warning("%s: the first rig configuration could not be written (%s); going on without one", place, error)
        return RigConfig({})
    log.info("%s: written; it names this rig and waits for its values", place)
    return RigConfig(tomllib.loads(text), place)
