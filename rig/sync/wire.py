"""The wire of session sync: one JSON object per line, UTF-8, bounded; the facts are F062 to F065."""

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

Message = Mapping[str, Any]
"""One line's object."""

_WRITE = json.JSONEncoder(separators=(",", ":")).encode

MAX_LINE = 16_384
"""Bytes of the longest line that is read, without its newline; real ones have some 200."""


class BadLine(Exception):
    """Raised when a peer sends what is no message; ``str()`` says what it was."""


def encode(message: Message) -> bytes:
    """Return a message as the old launcher writes it: compact, newline at the end."""
    return _WRITE(message).encode("ascii") + b"\n"


def decode(line: bytes) -> Message:
    """Return the message of one line without its newline.

    Raises:
        BadLine: it is not a JSON object in UTF-8.
    """
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise BadLine("a line that is not JSON") from None
    if not isinstance(value, dict):
        raise BadLine(f"JSON that is no object but {type(value).__name__}")
    return value


class LineBuffer:
    """Cuts a stream into lines; keeps at most one unfinished line of `MAX_LINE` bytes."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that ``data`` completes.

        Raises:
            BadLine: a line is too long; the buffer is of no more use.
        """
        self._kept += data
        *lines, rest = self._kept.split(b"\n")
        if len(rest) > MAX_LINE or any(len(line) > MAX_LINE for line in lines):
            self._kept = bytearray()
            raise BadLine(f"a line of more than {MAX_LINE} bytes")
        self._kept = rest
        return [bytes(line) for line in lines]


def text_of(message: Message, key: str) -> str:
    """Return a field as text; numbers as the old launcher compares them, anything else as nothing."""
    value = message.get(key)
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def seconds_of(message: Message, key: str) -> float | None:
    """Return a field as finite seconds, or None."""
    value = message.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None


def printable(value: object, longest: int = 200) -> str:
    """Return what a peer sent as it may stand in a log or a table: one line, nothing a terminal would obey."""
    text = str(value)[:longest]
    return "".join(char if char.isprintable() else "�" for char in text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
