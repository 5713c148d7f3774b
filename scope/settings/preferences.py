"""What a user of this computer prefers: defaults, then the stored file, then the environment."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from opticstream.core.errors import BadInput
from opticstream.scope.settings.bundle import PreferencesBundle
from opticstream.scope.settings.magscope_settings import MagScopeSettings
from opticstream.scope.settings.preferences_environment import read_environment
from opticstream.scope.settings.preferences_file import PreferencesFile, preferences_place
from opticstream.scope.settings.unknown_setting import UnknownSetting
from opticstream.scope.tracking import TrackingOptions

log = logging.getLogger(__name__)


class ScopePreferences:
    """Preferences of one user; what is changed here is stored, what the environment says is not.

    Use :meth:`load`. A stored value that cannot be used is passed over with a warning that names it: a scope must
    start although a file was written by hand or by another version. A variable that cannot be used is an error: it
    was set for this run.
    """

    def __init__(self, file: PreferencesFile, environment: Mapping[str, Any]) -> None:
        self._file = file
        settings = MagScopeSettings(_usable(file))
        for spec in map(MagScopeSettings.spec_for, environment["magscope"]):
            try:
                settings[spec.key] = environment["magscope"][spec.key]
            except BadInput as error:
                raise BadInput(spec.variable, found=error.found, expected=error.expected) from None
        self.settings = settings.persistent_copy(file)
        """The scope's settings; a change is stored."""
        self._tracking = _tracking(file, environment["tracking"])
        self.tracking_chosen = bool(file.section("tracking") or environment["tracking"])
        """Whether the user has said anything of how beads are tracked."""
        self._z_lut = {**file.section("z_lut"), **environment["z_lut"]}
        self._directories = {**file.section("directories"), **environment["directories"]}
        self._appearance = file.section("appearance_layout")

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read the preferences.

        Args:
            path: the file; default: ``scope.yaml`` in the user's configuration folder.

        Raises:
            BadInput: a variable ``OPTICSTREAM_SCOPE__…`` cannot be used.
        """
        return cls(PreferencesFile(path or preferences_place()), read_environment())

    @property
    def place(self) -> Path:
        """The file that changes are stored in; it may not exist yet."""
        return self._file.path

    @property
    def tracking(self) -> TrackingOptions:
        """How beads are tracked; setting it stores it."""
        return self._tracking

    @tracking.setter
    def tracking(self, options: TrackingOptions) -> None:
        self._tracking, self.tracking_chosen = options, True
        self._file.change("tracking", options.model_dump(by_alias=True, mode="json"))

    @property
    def appearance_layout(self) -> dict[str, Any]:
        """What the page keeps; setting it stores it."""
        return dict(self._appearance)

    @appearance_layout.setter
    def appearance_layout(self, layout: Mapping[str, Any]) -> None:
        # What is left out of the new layout is gone from the file, too.
        self._file.change("appearance_layout", {**dict.fromkeys(self._appearance), **layout})
        self._appearance = dict(layout)

    @property
    def last_z_lut(self) -> Path | None:
        """The Z-LUT that was loaded last; None: none yet."""
        found = self._z_lut.get("path")
        return Path(found) if isinstance(found, str | Path) and str(found) else None

    @property
    def z_lut_disabled(self) -> bool:
        """Whether the last Z-LUT was unloaded on purpose, so that it is not loaded at start."""
        return self._z_lut.get("disabled") is True

    def remember_z_lut(self, path: Path | None) -> None:
        """Store which Z-LUT is loaded; None: it was unloaded, its path is kept."""
        changes = {"disabled": True} if path is None else {"path": str(path), "disabled": False}
        self._file.change("z_lut", changes)
        self._z_lut.update(changes)

    def directory(self, purpose: str) -> Path | None:
        """Return the folder that was used last for a purpose, such as ``recordings``, ``z_luts`` or ``scripts``."""
        found = self._directories.get(purpose)
        return Path(found) if isinstance(found, str | Path) and str(found) else None

    def remember_directory(self, purpose: str, folder: Path) -> None:
        """Store the folder that was used for a purpose."""
        self._file.change("directories", {purpose: str(folder)})
        self._directories[purpose] = str(folder)

    def bundle(self) -> PreferencesBundle:
        """Return what can be carried to another computer."""
        return PreferencesBundle(self.settings.clone(), self._tracking, self.appearance_layout)

    def take(self, bundle: PreferencesBundle) -> None:
        """Replace settings, tracking options and appearance by those of a bundle, and store them.

        Raises:
            WriteFailed: they cannot be stored.
        """
        self.settings.update(bundle.settings)
        if bundle.tracking != self.tracking:  # defaults that were exported are not a choice
            self.tracking = bundle.tracking
        self.appearance_layout = bundle.appearance_layout


def _usable(file: PreferencesFile) -> dict[str, Any]:
    """Return the stored settings that can be used, and warn of the others."""
    usable = {}
    for key, value in file.section("magscope").items():
        try:
            usable[key] = MagScopeSettings.spec_for(key).coerce(value)
        except (BadInput, UnknownSetting) as error:
            log.warning("%s: %s; the default is used", file.path, error)
    return usable


def _tracking(file: PreferencesFile, said: Mapping[str, Any]) -> TrackingOptions:
    stored = file.section("tracking")
    try:
        options = TrackingOptions.from_mapping(stored)
    except BadInput as error:
        log.warning("%s: %s; the default tracking options are used", file.path, error)
        options, stored = TrackingOptions.of(), {}
    if not said:
        return options
    try:
        return TrackingOptions.from_mapping(_over(stored, said))
    except BadInput as error:
        where = f"OPTICSTREAM_SCOPE__TRACKING: {error.where}"
        raise BadInput(where, found=error.found, expected=error.expected, action=error.action) from None


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return one mapping laid over another, section by section; ``iterations`` is the other name of one key."""
    merged = dict(below)
    for key, value in above.items():
        name = "n auto_conv_multiline_sub_pixel" if key == "iterations" else key
        old = merged.get(name)
        merged[name] = _over(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged
