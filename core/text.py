"""Small text rules that several rooms share."""

import re
from typing import Any

from opticstream.core.errors import BadInput

_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def slug(name: str) -> str:
    """Return a project name as Prefect block documents spell it: lower case, ``-`` for ``_`` and ``.``."""
    return name.lower().replace("_", "-").replace(".", "-")


def check_project_name(name: str) -> str:
    """Return ``name`` unchanged.

    Raises:
        BadInput: it is not 1 to 64 letters, digits, ``_``, ``.`` or ``-``, starting with a letter or digit.
    """
    if not _PROJECT.fullmatch(name):
        raise BadInput(
            "PROJECT",
            found=repr(name),
            expected="1 to 64 letters, digits, '_', '.' or '-', starting with a letter or digit",
            action="Choose another project name.",
        )
    return name


def storable(text: str) -> str:
    """Return text as every database takes it: NUL and lone surrogates (from odd file names) become ``�``."""
    return "".join("�" if char == "\0" or "\ud800" <= char <= "\udfff" else char for char in text)


def sendable(value: Any) -> Any:
    """Return JSON content with every text in it :func:`storable`: what goes over the network is Unicode."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(key): sendable(item) for key, item in value.items()}
    return [sendable(item) for item in value] if isinstance(value, list) else value
