"""Names of a package that are imported when somebody asks for them."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy_exports(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package, for what is dear to import.

    Type checkers do not see these names: import them under ``if TYPE_CHECKING`` too.

    Args:
        package: its ``__name__``.
        modules: the module that has each name; none may be called as what is in it, since importing it would put the
            module in the name's place.
    """
    for name, module in modules.items():
        if module == f"{package}.{name}":
            raise ValueError(f"{package}: {name!r} is in a module of the same name")

    def get(name: str) -> Any:
        module = modules.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(module), name)

    return get, lambda: sorted(modules)
