"""Numbers out of MATLAB files, versions 5 to 7, read from their bytes.

A damaged file must not do harm: SciPy's reader trusts the types it finds and takes the process down with it.
Source: The MathWorks, *MAT-File Format*, chapter 1.
"""

import math
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadFile

_Variable = tuple[str, NDArray[np.float64] | None]

_MOST_BYTES = 64 << 20
"""Far above any calibration; what claims more is something else."""

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_STRUCT, _NUMERIC_CLASSES = 2, range(6, 16)
_OPAQUE = 17
"""Objects of MATLAB: strings in double quotes, dates, tables. Not in the manual; as SciPy's reader takes them."""
_DEEPEST = 8
"""Structures inside structures that are followed; a damaged file must not recurse for ever."""

_COMPLEX_FLAG = 0x800


def read_mat_numbers(path: Path, names: Collection[str], *, action: str) -> dict[str, NDArray[np.float64]]:
    """Return the real numeric arrays of these names.

    Args:
        path: a MATLAB file.
        names: the variables that are needed; ``a.b`` is field b of the structure a.
        action: what to do when the file is not there.

    Raises:
        BadFile: it cannot be read, is damaged or of another version, or a variable is missing or no real numbers.
    """
    expected = f"a MATLAB file with {' and '.join(names)}"
    try:
        with path.open("rb") as handle:
            data = handle.read(_MOST_BYTES + 1)
    except OSError as error:
        raise BadFile(str(path), found=error.strerror or str(error), expected=expected, action=action) from None
    if data.startswith(b"MATLAB 7.3"):
        raise BadFile(
            str(path), found="a MATLAB 7.3 file", expected=expected, action="Save it with `save -v7` in MATLAB."
        )
    try:
        variables = dict(_variables(data))
    except (ValueError, zlib.error) as error:
        raise BadFile(str(path), found=f"no whole MATLAB file of version 5 to 7 ({error})", expected=expected) from None
    found: dict[str, NDArray[np.float64]] = {}
    for name in names:
        if name not in variables:
            raise BadFile(str(path), found=f"no variable {name}", expected=expected)
        numbers = variables[name]
        if numbers is None or not numbers.size or not np.isfinite(numbers).all():
            raise BadFile(str(path), found=f"{name} that holds something else", expected="finite real numbers")
        found[name] = numbers
    return found


def _variables(data: bytes) -> Iterator[_Variable]:
    """Yield each variable; None: it holds something else than real numbers.

    Raises:
        ValueError: the bytes are no such file.
    """
    mark = data[126:_HEADER]
    if mark not in (b"IM", b"MI") or len(data) > _MOST_BYTES:
        raise ValueError("no header, or too large")
    order = "<" if mark == b"IM" else ">"
    for kind, content in _elements(data[_HEADER:], order):
        if kind == _COMPRESSED:
            inner = zlib.decompressobj().decompress(content, _MOST_BYTES)
            kind, content = next(_elements(inner, order), (0, b""))
        if kind == _MATRIX:
            yield from _arrays(content, order)


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of each element."""
    at = 0
    while len(data) - at >= 8:
        kind, size = (int(word) for word in np.frombuffer(data, f"{order}u4", 2, at))
        if kind >> 16:  # up to four bytes, in the tag itself
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
            at += 8
            if size > 4:
                raise ValueError("a small element that is not small")
        else:
            start = at + 8
            at = start + (size if kind == _COMPRESSED else -(-size // 8) * 8)
        if start + size > len(data):
            raise ValueError("cut off")
        yield kind, data[start : start + size]


def _arrays(content: bytes, order: str, at: str | None = None, depth: int = 0) -> Iterator[_Variable]:
    """Yield an array's name and content; of a structure the fields, under dotted names.

    Args:
        content: bytes of the array's element.
        order: byte order of the file.
        at: name of a field; its array has none of its own.
        depth: structures around this one.
    """
    parts = list(_elements(content, order)) if content else []
    if len(parts) < 3:
        if at is None:
            raise ValueError("an array without flags, size or name")
        yield at, None  # an empty field
        return
    flags, sizes, name = (part for _, part in parts[:3])
    text = at or name.decode("ascii", "replace")
    flag = int(np.frombuffer(flags, f"{order}u4", 1)[0]) if len(flags) >= 4 else None
    if flag is not None and flag & 0xFF == _OPAQUE:
        yield at or sizes.decode("ascii", "replace"), None  # it has no size: its name comes next
        return
    if flag is None or len(sizes) % 4:
        raise ValueError(f"flags or size of {text}")
    shape = [int(length) for length in np.frombuffer(sizes, f"{order}i4")]
    yield text, _numbers(text, flag, shape, parts[3:], order)
    if flag & 0xFF == _STRUCT and math.prod(shape) == 1 and depth < _DEEPEST:
        for field, value in _fields(text, parts[3:], order):
            yield from _arrays(value, order, f"{text}.{field}", depth + 1)


def _fields(text: str, parts: list[tuple[int, bytes]], order: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and array of each field of a single structure."""
    if len(parts) < 2 or len(parts[0][1]) != 4:
        raise ValueError(f"field names of {text}")
    width, names = int(np.frombuffer(parts[0][1], f"{order}i4")[0]), parts[1][1]
    if width < 1 or len(names) != width * (len(parts) - 2):
        raise ValueError(f"number of fields of {text}")
    for index, (kind, value) in enumerate(parts[2:]):
        if kind != _MATRIX:
            raise ValueError(f"a field of {text}")
        yield names[index * width : (index + 1) * width].split(b"\0")[0].decode("ascii", "replace"), value


def _numbers(
    text: str, flag: int, shape: list[int], parts: list[tuple[int, bytes]], order: str
) -> NDArray[np.float64] | None:
    if flag & 0xFF not in _NUMERIC_CLASSES or flag & _COMPLEX_FLAG:
        return None
    kind, numbers = parts[0] if parts else (0, b"")
    if kind not in _TYPES or min(shape, default=-1) < 0:
        raise ValueError(f"type or size of {text}")
    dtype = np.dtype(f"{order}{_TYPES[kind]}")
    if math.prod(shape) * dtype.itemsize != len(numbers):
        raise ValueError(f"number of values of {text}")
    return np.frombuffer(numbers, dtype).astype(np.float64).reshape(shape, order="F")
