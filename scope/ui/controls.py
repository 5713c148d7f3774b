"""Panels that people add to a scope's interface."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from opticstream.core.errors import BadInput


class ControlPanelBase:
    """A panel without a window: named values that a page, a report or a test shows.

    A subclass sets values in :meth:`update`, which is called at each turn of the user interface, and sends commands
    through ``manager.send_ipc``::

        class Laser(ControlPanelBase):
            def __init__(self, manager):
                super().__init__(manager, "Laser")

            def update(self):
                self.set_value("power", 3.2, "mW")

    Args:
        manager: the user interface's manager, which makes the panel.
        title: heading, not empty.
        collapsed_by_default: only the heading is shown at first.

    Raises:
        BadInput: the title is empty.
    """

    def __init__(self, manager: Any, title: str, collapsed_by_default: bool = False) -> None:
        if not title.strip():
            raise BadInput(f"{type(self).__name__}: title", found=repr(title), expected="a heading")
        self.manager, self.title, self.collapsed_by_default = manager, title, collapsed_by_default
        self._values: dict[str, tuple[Any, str]] = {}

    @property
    def values(self) -> Mapping[str, tuple[Any, str]]:
        """Value and unit (empty: none) by name, in the order they were first set."""
        return MappingProxyType(self._values)

    def set_value(self, name: str, value: Any, unit: str = "") -> None:
        """Show a value under a name."""
        self._values[name] = (value, unit)

    def remove_value(self, name: str) -> None:
        """Show it no longer; nothing happens if it is not shown."""
        self._values.pop(name, None)

    def update(self) -> None:
        """Bring the values up to date."""

    def lines(self) -> list[str]:
        """Return the panel as text, the title first."""
        return [self.title, *(f"{name}: {value} {unit}".rstrip() for name, (value, unit) in self._values.items())]
