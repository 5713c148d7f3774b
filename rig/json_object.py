"""JSON as people write it into parameter files, read strictly: one object, each key once, finite numbers."""

import json
from typing import Any, NoReturn

from opticstream.core.errors import BadFile

_DEEPEST = 64
"""Levels of nesting; real files have six. Recursive readers of the values stay far from Python's limit."""
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_ACTION = "Save it as UTF-8 JSON."


def read_json_object(content: bytes, where: str) -> dict[str, Any]:
    """Return the object that ``content`` holds.

    Args:
        content: UTF-8, with or without a byte order mark.
        where: the file's name, for the error.

    Raises:
        BadFile: it is not UTF-8, no JSON (with line and column), no object, gives a key twice, holds NaN or an
            infinity, a character no file can hold, or is nested deeper than 64 levels.
    """
    text = _decoded(content, where)
    duplicates: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            names = [key for key, _ in items]
            duplicates.extend(repr(key) for key in found if names.count(key) > 1)
        return found

    def constant(name: str) -> NoReturn:
        raise BadFile(where, found=f"the number {name}", expected="finite numbers", action="JSON knows no NaN.")

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise BadFile(
            f"{where}, line {error.lineno}, column {error.colno}", found=error.msg, expected="JSON", action=_hint(error)
        ) from None
    except RecursionError:
        raise _too_deep(where) from None
    except ValueError as error:  # an integer of thousands of digits
        raise BadFile(where, found=str(error).partition(";")[0], expected="numbers a computer can hold") from None
    if duplicates:
        raise BadFile(where, found=f"{', '.join(duplicates)} more than once", expected="each key once")
    if not isinstance(value, dict):
        raise BadFile(where, found=f"a JSON {_kind(value)}", expected="a JSON object: { ... }")
    check_depth(value, where)
    _check_characters(value, where)
    return value


def check_depth(value: object, where: str) -> None:
    """Return if lists and objects are nested at most 64 levels deep.

    Raises:
        BadFile: they are nested deeper.
    """
    level: list[object] = [value]
    for _ in range(_DEEPEST):
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise _too_deep(where)


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else []


def _too_deep(where: str) -> BadFile:
    return BadFile(where, found="lists and objects within each other", expected=f"at most {_DEEPEST} levels")


def _decoded(content: bytes, where: str) -> str:
    if content.startswith(_UTF16):
        raise BadFile(where, found="UTF-16 text", expected="UTF-8", action=_ACTION)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadFile(
            f"{where}, line {line}", found=f"byte 0x{content[error.start]:02x}", expected="UTF-8", action=_ACTION
        ) from None


def _check_characters(value: dict[str, Any], where: str) -> None:
    """Refuse what escapes can say and no file name, process or UTF-8 file can hold."""
    text = json.dumps(value, ensure_ascii=False)
    bad = next((char for char in text if "\ud800" <= char <= "\udfff"), "\\u0000" if _has_nul(value) else "")
    if bad:
        found = bad if bad.startswith("\\") else f"\\u{ord(bad):04x}"
        raise BadFile(where, found=f"the character {found}", expected="characters that a file can hold")


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict) and any("\0" in key for key in value):
        return True
    return any(map(_has_nul, _children(value)))


def _kind(value: object) -> str:
    names = {list: "list", str: "text", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def _hint(error: json.JSONDecodeError) -> str:
    before = error.doc[: error.pos].rstrip()
    if before.endswith(","):
        return "A comma stands before the end of a list or object, or a key is missing its quotes."
    if "escape" in error.msg:
        return r"Write each backslash of a path twice: C:\\data."
    if not error.doc.strip():
        return "The file is empty."
    return ""
