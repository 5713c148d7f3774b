"""Python values as JSON and back: what JSON has no word for is written with a tag.

Plain values stay plain: ``{"trial": 3}`` is written as it is. ``{"$type": "tuple", "value": [1, 2]}`` is a tuple.
"""

import base64
import math
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

TAG = "$type"
_DEEPEST = 60
_LARGEST_ARRAY = 1 << 20
_ARRAY_KINDS = "biufcSUmM"
_PLAIN_BITS = 1024
"""Longer integers are written in hexadecimal: JSON readers refuse very long decimal ones."""


class Unwritable(Exception):
    """Raised when a value has no form in the file; ``str()`` says which and why."""


class Unreadable(Exception):
    """Raised when a tagged value in a file cannot be understood."""


def encode(value: object) -> Any:
    """Return a value as JSON data.

    Subclasses of the basic types are written as those; numpy arrays up to 1 MiB.

    Raises:
        Unwritable: it, or something in it, is of another type, or it is nested more than 60 deep.
    """
    return _encode(value, 0)


def decode(data: object) -> Any:
    """Return the value of JSON data.

    Raises:
        Unreadable: a tag is unknown or its value is not what it should be.
    """
    return _decode(data, 0)


def _encode(value: object, depth: int) -> Any:
    if depth > _DEEPEST:
        raise Unwritable(f"nested more than {_DEEPEST} deep")
    if isinstance(value, Enum):
        return _encode_enum(value, depth)
    numpy = _encode_numpy(value)
    if numpy is not None:
        return numpy
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value) if value.bit_length() <= _PLAIN_BITS else _tagged("int", hex(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _tagged("float", repr(float(value)))
    if isinstance(value, dict):
        return _encode_dict(value, depth)
    if isinstance(value, list):
        return [_encode(item, depth + 1) for item in value]
    for kind, name in ((tuple, "tuple"), (set, "set"), (frozenset, "frozenset")):
        if isinstance(value, kind):
            return _tagged(name, [_encode(item, depth + 1) for item in value])
    return _encode_scalar(value)


def _encode_scalar(value: object) -> dict[str, Any]:
    if isinstance(value, datetime):
        zone = value.tzinfo.key if isinstance(value.tzinfo, ZoneInfo) else None
        return _tagged("datetime", value.isoformat()) | ({"zone": zone} if zone else {}) | _fold(value.fold)
    if isinstance(value, date):
        return _tagged("date", value.isoformat())
    if isinstance(value, time) and (value.tzinfo is None or value.utcoffset() is not None):
        return _tagged("time", value.isoformat()) | _fold(value.fold)
    if isinstance(value, timedelta):
        return _tagged("timedelta", [value.days, value.seconds, value.microseconds])
    if isinstance(value, Path):
        return _tagged("path", str(value))
    if isinstance(value, bytes):
        return _tagged("bytes", base64.b64encode(value).decode("ascii"))
    raise Unwritable(f"a {type(value).__qualname__}")


def _fold(fold: int) -> dict[str, Any]:
    return {"fold": 1} if fold else {}


def _encode_dict(value: dict[Any, Any], depth: int) -> dict[str, Any]:
    if TAG not in value and all(type(key) is str for key in value):
        return {key: _encode(item, depth + 1) for key, item in value.items()}
    items = [[_encode(key, depth + 1), _encode(item, depth + 1)] for key, item in value.items()]
    return _tagged("dict", items)


def _encode_enum(value: Enum, depth: int) -> dict[str, Any]:
    kind = type(value)
    where = {"class": f"{kind.__module__}:{kind.__qualname__}"}
    if value.name in kind.__members__:
        return _tagged("enum", value.name) | where
    return _tagged("flag", _encode(value.value, depth + 1)) | where  # a combination has no name of its own


def _encode_numpy(value: object) -> dict[str, Any] | None:
    numpy = sys.modules.get("numpy")  # nothing of numpy's can exist before it is imported
    if numpy is None or not isinstance(value, numpy.generic | numpy.ndarray):
        return None
    whole = isinstance(value, numpy.generic) or type(value) is numpy.ndarray  # a subclass knows more than its data
    kind = value.dtype
    if not whole or kind.kind not in _ARRAY_KINDS or kind.itemsize == 0 or value.nbytes > _LARGEST_ARRAY:
        raise Unwritable(f"a numpy {type(value).__name__} of {value.dtype} with {value.nbytes} bytes")
    array = numpy.ascontiguousarray(value)
    data = base64.b64encode(array.tobytes()).decode("ascii")
    shape = list(value.shape) if isinstance(value, numpy.ndarray) else None
    return _tagged("numpy", data) | {"dtype": value.dtype.str, "shape": shape}


def _tagged(kind: str, value: object) -> dict[str, Any]:
    return {TAG: kind, "value": value}


def _decode(data: object, depth: int) -> Any:
    if depth > 2 * _DEEPEST:
        raise Unreadable("nested too deep")
    if isinstance(data, list):
        return [_decode(item, depth + 1) for item in data]
    if not isinstance(data, dict):
        return data
    if TAG not in data:
        return {key: _decode(item, depth + 1) for key, item in data.items()}
    kind = data[TAG]
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise Unreadable(f"unknown {TAG} {kind!r}"[:200])
    try:
        return reader(data, depth + 1)
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(f"a {kind} that is none ({type(error).__name__}: {error})"[:200]) from None


def _items(data: dict[str, Any], depth: int) -> list[Any]:
    value = data["value"]
    if not isinstance(value, list):
        raise TypeError("no list")
    return [_decode(item, depth) for item in value]


def _text(data: dict[str, Any]) -> str:
    value = data["value"]
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _datetime(data: dict[str, Any], _: int) -> datetime:
    found = datetime.fromisoformat(_text(data))
    zone = data.get("zone")
    if isinstance(zone, str) and found.tzinfo is not None:
        try:
            return found.astimezone(UTC).astimezone(ZoneInfo(zone))
        except (KeyError, ValueError, OSError):
            return found  # this computer does not know the zone; the instant is the same
    return found.replace(fold=1) if data.get("fold") == 1 else found


def _time(data: dict[str, Any], _: int) -> time:
    found = time.fromisoformat(_text(data))
    return found.replace(fold=1) if data.get("fold") == 1 else found


def _timedelta(data: dict[str, Any], _: int) -> timedelta:
    days, seconds, microseconds = data["value"]
    return timedelta(days=days, seconds=seconds, microseconds=microseconds)


def _dict(data: dict[str, Any], depth: int) -> dict[Any, Any]:
    return {_decode(key, depth): _decode(value, depth) for key, value in data["value"]}


def _enum_class(data: dict[str, Any]) -> type[Enum]:
    """Return a class that this process knows; a file does not decide what is imported."""
    module, _, name = str(data["class"]).partition(":")
    found: Any = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part) if part != "<locals>" else None
    if not (isinstance(found, type) and issubclass(found, Enum)):
        raise TypeError("no Enum")
    return found


def _numpy(data: dict[str, Any], _: int) -> Any:
    import numpy

    kind = numpy.dtype(data["dtype"])
    if kind.kind not in _ARRAY_KINDS:
        raise TypeError(f"dtype {kind}")
    raw = base64.b64decode(_text(data), validate=True)
    flat = numpy.frombuffer(raw, dtype=kind).copy() if raw else numpy.empty(0, dtype=kind)
    if data.get("shape") is None:
        (scalar,) = flat
        return scalar
    return flat.reshape([int(size) for size in data["shape"]])


_READERS: dict[str, Callable[[dict[str, Any], int], Any]] = {
    "int": lambda data, _: int(_text(data), 16),
    "float": lambda data, _: float(_text(data)),
    "tuple": lambda data, depth: tuple(_items(data, depth)),
    "set": lambda data, depth: set(_items(data, depth)),
    "frozenset": lambda data, depth: frozenset(_items(data, depth)),
    "dict": _dict,
    "datetime": _datetime,
    "date": lambda data, _: date.fromisoformat(_text(data)),
    "time": _time,
    "timedelta": _timedelta,
    "path": lambda data, _: Path(_text(data)),
    "bytes": lambda data, _: base64.b64decode(_text(data), validate=True),
    "enum": lambda data, _: _enum_class(data)[_text(data)],
    "flag": lambda data, depth: _enum_class(data)(_decode(data["value"], depth)),
    "numpy": _numpy,
}
