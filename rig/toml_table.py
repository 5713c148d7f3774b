"""TOML as people write it: one table, dates as text."""

import datetime
import tomllib
from typing import Any

from opticstream.core.errors import BadFile


def read_toml(content: bytes, where: str) -> dict[str, Any]:
    """Return the table that ``content`` holds; dates and times are ISO texts, as JSON has them.

    Args:
        content: UTF-8, with or without a byte order mark.
        where: the file's name, for the error.

    Raises:
        BadFile: it is not UTF-8, or no TOML (with line and column).
    """
    try:
        found: dict[str, Any] = dates_as_text(tomllib.loads(content.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadFile(
            f"{where}, line {line}", found=f"byte 0x{content[error.start]:02x}", expected="UTF-8", action="Save it so."
        ) from None
    except tomllib.TOMLDecodeError as error:
        what, _, position = str(error).partition(" (at ")
        backslash = "escape" in what or "hex value" in what
        raise BadFile(
            f"{where}, {position.rstrip(')')}" if position else where,
            found=what,
            expected="TOML: lines of key = value",
            action="Write paths in single quotes: 'C:\\data'." if backslash else "",
        ) from None
    except RecursionError:
        raise BadFile(where, found="lists within lists", expected="fewer levels") from None
    except ValueError as error:  # an integer of thousands of digits
        raise BadFile(where, found=str(error).partition(";")[0], expected="numbers a computer can hold") from None
    return found


def dates_as_text(value: Any) -> Any:
    """Return a TOML value as JSON has it: dates and times are ISO texts."""
    if isinstance(value, dict):
        return {key: dates_as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [dates_as_text(item) for item in value]
    return value.isoformat() if isinstance(value, (datetime.date, datetime.time)) else value
