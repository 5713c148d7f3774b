"""All preferences of a user in one file that can be carried to another computer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from opticstream.core.errors import BadInput
from opticstream.scope.bad_value import BadValue
from opticstream.scope.settings.magscope_settings import MagScopeSettings
from opticstream.scope.settings.unknown_setting import UnknownSetting
from opticstream.scope.settings.yaml_file import read_yaml_mapping, write_yaml_mapping
from opticstream.scope.tracking import TrackingOptions

_VERSION = 1
_SECTIONS = ("magscope", "tracking", "appearance_layout")


@dataclass
class PreferencesBundle:
    """Settings, tracking options and the look of the page; in a file ``version: 1`` and three sections."""

    settings: MagScopeSettings = field(default_factory=MagScopeSettings)
    tracking: TrackingOptions = field(default_factory=TrackingOptions.of)
    appearance_layout: dict[str, Any] = field(default_factory=dict)
    """What the page keeps; not looked into."""

    def to_dict(self) -> dict[str, Any]:
        """Return the bundle as it stands in a file."""
        return {
            "version": _VERSION,
            "magscope": self.settings.to_dict(),
            "tracking": self.tracking.model_dump(by_alias=True, mode="json"),
            "appearance_layout": dict(self.appearance_layout),
        }

    def export_yaml(self, path: Path | str) -> None:
        """Write the bundle.

        Raises:
            WriteFailed: the file cannot be written.
        """
        write_yaml_mapping(Path(path), self.to_dict())

    @classmethod
    def import_yaml(cls, path: Path | str) -> Self:
        """Read a bundle; sections that it does not know are passed over.

        Raises:
            BadFile: the file cannot be read.
            BadValue: (a ValueError) it is no YAML, has another version, lacks a section, or holds a key or value
                that cannot be used.
        """
        path = Path(path)
        found = read_yaml_mapping(path)
        version = found.get("version")
        if version != _VERSION or isinstance(version, bool):
            raise BadValue(f"{path}: version", found=repr(version), expected=str(_VERSION))
        sections = {name: _section(path, found, name) for name in _SECTIONS}
        try:
            settings = MagScopeSettings(sections["magscope"])
            tracking = TrackingOptions.from_mapping(sections["tracking"])
        except (UnknownSetting, BadInput) as error:
            where = f"{path}: {error.where}"
            raise BadValue(where, found=error.found, expected=error.expected, action=error.action) from None
        return cls(settings, tracking, sections["appearance_layout"])


def _section(path: Path, found: Mapping[str, Any], name: str) -> dict[str, Any]:
    if name not in found:
        raise BadValue(str(path), found=f"no section {name!r}", expected=f"the sections {', '.join(_SECTIONS)}")
    section = found[name]
    if not isinstance(section, dict):
        raise BadValue(f"{path}: {name}", found=repr(section), expected="a mapping")
    return section
