"""Settings of a scope."""

from typing import TYPE_CHECKING

from opticstream.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from opticstream.scope.settings.bundle import PreferencesBundle
    from opticstream.scope.settings.magscope_settings import MagScopeSettings
    from opticstream.scope.settings.preferences import ScopePreferences
    from opticstream.scope.settings.preferences_file import PreferencesFile, preferences_place
    from opticstream.scope.settings.resources import ScopeResources, fit_to_machine
    from opticstream.scope.settings.restart import restart_keys
    from opticstream.scope.settings.spec import SettingSpec
    from opticstream.scope.settings.unknown_setting import UnknownSetting

__all__ = [
    "MagScopeSettings",
    "PreferencesBundle",
    "PreferencesFile",
    "ScopePreferences",
    "ScopeResources",
    "SettingSpec",
    "UnknownSetting",
    "fit_to_machine",
    "preferences_place",
    "restart_keys",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "MagScopeSettings": "opticstream.scope.settings.magscope_settings",
        "PreferencesBundle": "opticstream.scope.settings.bundle",
        "PreferencesFile": "opticstream.scope.settings.preferences_file",
        "ScopePreferences": "opticstream.scope.settings.preferences",
        "ScopeResources": "opticstream.scope.settings.resources",
        "SettingSpec": "opticstream.scope.settings.spec",
        "UnknownSetting": "opticstream.scope.settings.unknown_setting",
        "fit_to_machine": "opticstream.scope.settings.resources",
        "preferences_place": "opticstream.scope.settings.preferences_file",
        "restart_keys": "opticstream.scope.settings.restart",
    },
)
