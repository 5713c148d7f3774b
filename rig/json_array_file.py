"""A JSON array on disk that grows by an entry at a time."""

import json
import os
from pathlib import Path
from typing import Any

from opticstream.core.errors import BadFile

_CLOSE = b"\n]\n"
_TAIL = 64


class JsonArrayFile:
    """A file that is a whole JSON array after each `append`, which costs the same however long it is.

    The closing bracket is overwritten by the entry and the next bracket, in one write. When the disk refuses, the
    bracket is put back where it was, for which there is room.

    Args:
        path: the file; a JSON array that is there already goes on growing.

    Raises:
        BadFile: there is something else.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not "a+b": that always writes at the end.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        self._file = os.fdopen(handle, "r+b", buffering=0)
        try:
            self._end, self._empty = self._find_end(path)
        except BaseException:
            self._file.close()
            raise

    def append(self, entry: Any) -> None:
        """Add an entry.

        Raises:
            OSError: the disk refuses; the file is as it was.
            ValueError: the entry has no JSON.
        """
        begin = b"\n" if self._empty else b",\n"
        data = begin + json.dumps(entry, ensure_ascii=False, allow_nan=False).encode()
        try:
            self._write(self._end, data + _CLOSE)
        except OSError:
            self._write(self._end, _CLOSE)
            self._file.truncate(self._end + len(_CLOSE))
            raise
        self._end += len(data)
        self._empty = False

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _write(self, at: int, data: bytes) -> None:
        self._file.seek(at)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) or 0 :]

    def _find_end(self, path: Path) -> tuple[int, bool]:
        """Return where the closing bracket's line begins, and whether nothing is before it."""
        size = self._file.seek(0, os.SEEK_END)
        if size == 0:
            self._write(0, b"[" + _CLOSE)
            return 1, True
        start = max(0, size - _TAIL)
        self._file.seek(start)
        tail = self._file.read().rstrip()
        if not tail.endswith(b"]"):
            raise BadFile(
                str(path), found="no closing bracket", expected="a JSON array", action="Move the file away, then retry."
            )
        before = tail[:-1].rstrip()
        return start + len(before), start == 0 and before == b"["
