"""Which changes of settings a running scope cannot take."""

from collections.abc import Mapping

from opticstream.scope.settings.keys import SPECS


def restart_keys(old: Mapping[str, object], new: Mapping[str, object]) -> tuple[str, ...]:
    """Return the keys whose change takes effect only when the scope is started anew.

    Args:
        old: settings of the running scope.
        new: settings that are to hold; a key that either does not name is not compared.
    """
    both = old.keys() & new.keys()
    return tuple(s.key for s in SPECS if s.restart and s.key in both and old[s.key] != new[s.key])
