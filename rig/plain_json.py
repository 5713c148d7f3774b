"""Any Python value as JSON can hold it."""

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from enum import Enum
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

from opticstream.core.text import storable
from opticstream.rig.parameters import SECRETS

_DEEPEST = 20
_HIDDEN = "**********"


def plain(value: Any, depth: int = 0) -> Any:
    """Return ``value`` as JSON can hold it; what it cannot hold is described, a known secret is hidden."""
    if value is None or (isinstance(value, (bool, int)) and not isinstance(value, Enum)):
        return value
    if isinstance(value, str):
        return storable(str(value.value) if isinstance(value, Enum) else value)
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, (PurePath, Enum)):
        return plain(value.value if isinstance(value, Enum) else str(value), depth)
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).isoformat()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if depth < _DEEPEST:
        if isinstance(value, BaseModel):
            return plain(dict(value), depth + 1)
        if isinstance(value, Mapping):
            return {
                storable(str(key)): _HIDDEN if key in SECRETS and item else plain(item, depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple, set, frozenset)):
            return [plain(item, depth + 1) for item in value]
    return _described(value)


def _described(value: object) -> str:
    try:
        return storable(repr(value))
    except Exception:  # a broken repr must not hide what is being reported
        return f"<{type(value).__name__}>"
