"""Where a user's preferences for scopes are stored."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opticstream.core.config_folder import config_folder
from opticstream.core.errors import BadFile, WriteFailed
from opticstream.core.files import rename, writing
from opticstream.core.settings import Settings, load_settings
from opticstream.scope.bad_value import BadValue
from opticstream.scope.settings.yaml_file import read_yaml_mapping, write_yaml_mapping

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreferencesFile:
    """A YAML file of named sections, each a mapping.

    Several scopes of one user may share it: a change is laid over what stands there, so that each writes only its
    own changes. Of two that write within the same moment the later wins.
    """

    path: Path

    def read(self) -> dict[str, Any]:
        """Return all sections; nothing, with a warning, if the file cannot be used, and nothing if there is none."""
        if not self.path.exists():
            return {}
        try:
            return read_yaml_mapping(self.path)
        except (BadFile, BadValue) as error:
            log.warning("preferences are not used: %s", error)
            return {}

    def section(self, name: str) -> dict[str, Any]:
        """Return one section; nothing, with a warning, if it is no mapping."""
        return self._mapping(self.read(), name)

    def change(self, section: str, changes: Mapping[str, Any], /) -> None:
        """Store values of a section; None removes one. A file that cannot be read is kept beside, as ``.damaged``.

        Raises:
            WriteFailed: the file cannot be written.
        """
        found = self._kept()
        merged = {**self._mapping(found, section), **changes}
        kept = {key: value for key, value in merged.items() if value is not None}
        write_yaml_mapping(self.path, {"version": 1, **found, section: kept})

    def _mapping(self, found: Mapping[str, Any], name: str) -> dict[str, Any]:
        section = found.get(name)
        if section is None or isinstance(section, dict):
            return dict(section or {})
        log.warning("%s: %s: found a %s; expected a mapping", self.path, name, type(section).__name__)
        return {}

    def _kept(self) -> dict[str, Any]:
        """Return what a change is laid over; content that cannot be used is put aside, not overwritten."""
        if not self.path.exists():
            return {}
        try:
            return read_yaml_mapping(self.path)
        except BadFile as error:  # it may be whole, only not readable now
            raise WriteFailed(error.where, found=error.found, expected=error.expected) from None
        except BadValue as error:
            aside = self.path.with_name(f"{self.path.name}.damaged")
            log.warning("%s; it is kept as %s", error, aside.name)
            with writing(self.path):
                rename(self.path, aside)
            return {}


def preferences_place(settings: Settings | None = None) -> Path:
    """Return the file of this user's preferences for scopes, ``scope.yaml`` in the configuration folder."""
    return config_folder(settings or load_settings()) / "scope.yaml"
