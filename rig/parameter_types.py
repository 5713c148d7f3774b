"""Types of parameters: as lenient as people write JSON, and never by accident."""

import logging
import re
import shlex
from typing import Annotated, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import BeforeValidator, Field

COMPATIBLE_LAUNCHER_VERSION = "0.2.57"
"""The older launcher whose parameter files mean the same here; pins of ``launcher_version`` are compared with it."""

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def _text(value: object) -> str:
    """Take numbers such as a mouse's for text; a list or true is a mistake."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError("text")


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number")
    return value


def argument(value: object) -> str:
    """Return a value as it stands on a command line: ``true`` and ``false`` as Bonsai writes them.

    Raises:
        ValueError: it is a list, an object or null.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError("texts and numbers")


def _arguments(value: object) -> list[str]:
    if isinstance(value, str):
        # Backslashes are those of Windows paths; quotes keep words together.
        words = shlex.shlex(value, posix=True, punctuation_chars=False)
        words.whitespace_split, words.escape, words.commenters = True, "", ""
        try:
            return list(words)
        except ValueError:
            raise ValueError("each quote closed, or a list of arguments") from None
    if isinstance(value, (list, tuple)):
        return [argument(item) for item in value]
    raise ValueError("a list of arguments")


def _version(value: object) -> str:
    text = _text(value)
    try:
        fits = SpecifierSet(text).contains(COMPATIBLE_LAUNCHER_VERSION, prereleases=True)
    except InvalidSpecifier:
        raise ValueError("a version specifier such as '>=0.2.7' or '>=0.2,<0.3'") from None
    if not fits:
        raise ValueError(f"a specifier that holds for {COMPATIBLE_LAUNCHER_VERSION}, the version this one stands for")
    return text


def _launcher(value: object) -> str:
    text = _text(value)
    if text.lower() in LAUNCHERS:
        return text.lower()
    if re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", text):
        return text
    raise ValueError(f"one of {', '.join(LAUNCHERS)}, or package.module:Class")


def _log_level(value: object) -> object:
    text = logging.getLevelName(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and text.upper() in _LEVELS:
        return text.upper()
    raise ValueError(f"one of {', '.join(_LEVELS)}")


def _pattern(value: object) -> str:
    text = _text(value)
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"a regular expression ({error})") from None
    return text


def _protocol(value: object) -> Any:
    items = value if isinstance(value, (list, tuple)) else [value]
    if any(isinstance(item, bool) or not isinstance(item, (int, str)) for item in items):
        raise ValueError("a number or text, or a list of them")
    return value


def _object(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError("an object: { name: value }")
    return value


LAUNCHERS = ("base", "bonsai", "matlab", "python", "scope")

Text = Annotated[str, BeforeValidator(_text)]
Number = Annotated[float, BeforeValidator(_number)]
Whole = Annotated[int, BeforeValidator(_number)]
Seconds = Annotated[Number, Field(ge=0)]
PositiveSeconds = Annotated[Number, Field(gt=0)]
Port = Annotated[Whole, Field(ge=1, le=65535)]
Arguments = Annotated[tuple[str, ...], BeforeValidator(_arguments, json_schema_input_type=list[str] | str)]
Values = Annotated[dict[str, Any], BeforeValidator(_object, json_schema_input_type=dict[str, Any])]
Pattern = Annotated[str, BeforeValidator(_pattern)]
LauncherName = Annotated[str, BeforeValidator(_launcher)]
LauncherVersion = Annotated[str, BeforeValidator(_version)]
LogLevel = Annotated[str, BeforeValidator(_log_level)]
Protocol = Annotated[int | str | list[int | str], BeforeValidator(_protocol)]
