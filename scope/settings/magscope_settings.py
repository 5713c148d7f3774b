"""The settings of a scope as a mapping that holds only what is allowed."""

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any, NoReturn, Protocol, Self

from opticstream.core.errors import WriteFailed
from opticstream.scope.bad_value import BadValue
from opticstream.scope.settings.keys import SPECS
from opticstream.scope.settings.spec import SettingSpec, SettingValue
from opticstream.scope.settings.unknown_setting import UnknownSetting
from opticstream.scope.settings.yaml_file import read_yaml_mapping, write_yaml_mapping

_SPECS = {spec.key: spec for spec in SPECS}

PersistenceListener = Callable[[WriteFailed], None]


class _Storage(Protocol):
    def change(self, section: str, changes: Mapping[str, Any], /) -> None:
        """Store values; raises WriteFailed."""


class MagScopeSettings(MutableMapping[str, SettingValue]):
    """The settings of a scope: a mapping with fixed keys, see ``docs/reference/scope-settings.md``.

    Values are checked when they are set; a text is read as the number or truth it says. Nothing is stored unless the
    object came from :meth:`persistent_copy` or from the preferences. Pickled, it is a copy that stores nothing.

    Args:
        values: what differs from the defaults.

    Raises:
        UnknownSetting: (a KeyError) a key is no setting.
        BadValue: (a ValueError) a value has the wrong type or lies outside its range.
        TypeError: ``values`` is no mapping, or a key is deleted.
    """

    def __init__(self, values: Mapping[str, object] | None = None) -> None:
        self._values: dict[str, SettingValue] = {spec.key: spec.default for spec in SPECS}
        self._storage: _Storage | None = None
        self._listener: PersistenceListener | None = None
        self._unwritable = False
        if values is not None:
            self._values.update(_checked(values))

    @staticmethod
    def defined_keys() -> tuple[str, ...]:
        """Return every key, in the order of the reference."""
        return tuple(_SPECS)

    @staticmethod
    def spec_for(key: str) -> SettingSpec:
        """Return what a setting may be.

        Raises:
            UnknownSetting: the key is no setting.
        """
        try:
            return _SPECS[key]
        except (KeyError, TypeError):
            raise UnknownSetting(
                f"setting {key!r}", found="no such setting", expected=f"one of {', '.join(_SPECS)}"
            ) from None

    def __getitem__(self, key: str) -> SettingValue:
        self.spec_for(key)
        return self._values[key]

    def __setitem__(self, key: str, value: object) -> None:
        self.update({key: value})

    def __delitem__(self, key: str) -> NoReturn:
        raise TypeError(f"setting {key!r}: settings cannot be deleted; use reset_to_defaults")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        changed = {key: value for key, value in self._values.items() if value != _SPECS[key].default}
        return f"{type(self).__name__}({changed!r})"

    def __getstate__(self) -> dict[str, SettingValue]:
        return dict(self._values)

    def __setstate__(self, values: dict[str, SettingValue]) -> None:
        self.__init__(values)  # type: ignore[misc]

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Change several settings: all of them, or none if one cannot be used."""
        given = _checked(dict(*args, **kwargs))
        changed = {key: value for key, value in given.items() if value != self._values[key]}
        self._values.update(changed)
        self._store(changed)

    @property
    def stored(self) -> bool:
        """Whether changes are kept for the next time."""
        return self._storage is not None

    def reset_to_defaults(self) -> None:
        """Set every setting to its default."""
        self.update({spec.key: spec.default for spec in SPECS})

    def to_dict(self) -> dict[str, SettingValue]:
        """Return the values as a plain dictionary."""
        return dict(self._values)

    def clone(self) -> Self:
        """Return a copy that stores nothing."""
        return type(self)(self._values)

    def persistent_copy(self, storage: _Storage | None = None) -> Self:
        """Return a copy whose changes are stored.

        Args:
            storage: where; default: where this one stores, else the preferences file of this user.
        """
        copied = self.clone()
        copied._storage = storage or self._storage or _users_file()
        copied._listener = self._listener
        return copied

    def set_persistence_listener(self, listener: PersistenceListener | None) -> None:
        """Name who is told, once, when the storage becomes unwritable; a change holds in memory all the same.

        Without a listener the error is raised by what made the change, which holds in memory too.
        """
        self._listener = listener

    def export_yaml(self, path: Path | str) -> None:
        """Write all settings to a YAML file.

        Raises:
            WriteFailed: the file cannot be written.
        """
        write_yaml_mapping(Path(path), self._values)

    def import_yaml(self, path: Path | str) -> None:
        """Take the settings of a YAML file; those it does not name stay. If one cannot be used, none is taken.

        Raises:
            BadFile: the file cannot be read.
            BadValue: (a ValueError) it is empty, no mapping, or a value cannot be used.
            UnknownSetting: (a KeyError) it names a key that is no setting.
        """
        path = Path(path)
        self.update(_checked(read_yaml_mapping(path), f"{path}: "))

    def _store(self, changed: Mapping[str, SettingValue]) -> None:
        if self._storage is None or not changed:
            return
        try:
            self._storage.change("magscope", changed)
        except WriteFailed as error:
            if self._listener is None:
                raise
            if not self._unwritable:
                self._listener(error)
            self._unwritable = True
        else:
            self._unwritable = False


def _checked(values: Mapping[str, object], place: str = "") -> dict[str, SettingValue]:
    if not isinstance(values, Mapping):
        raise TypeError(f"settings: found {type(values).__name__}; expected a mapping of keys to values")
    try:
        return {key: MagScopeSettings.spec_for(key).coerce(value) for key, value in values.items()}
    except (BadValue, UnknownSetting) as error:
        raise type(error)(place + error.where, found=error.found, expected=error.expected) from None


def _users_file() -> _Storage:
    # The file's place needs the application's settings, which a process that only reads values has no use for.
    from opticstream.scope.settings.preferences_file import PreferencesFile, preferences_place

    return PreferencesFile(preferences_place())
