"""A file that is appended to and cut back when the disk refuses."""

import os
from pathlib import Path

from opticstream.core.files import write_failed


class GrowingFile:
    """Appends to a file; a failed append leaves nothing of itself.

    Args:
        path: a new file; its folder is created.
        keep: go on with the first so many bytes of a file that is there; 0: it must be new.

    Raises:
        WriteFailed: it exists already, or cannot be opened.
    """

    def __init__(self, path: Path, keep: int = 0) -> None:
        self.path, self.size = path, keep
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = path.open("rb+" if keep else "xb+", buffering=0)
            if keep:
                self._handle.truncate(keep)
        except OSError as error:
            raise write_failed(path, error) from error

    def append(self, *pieces: bytes | memoryview) -> None:
        """Write pieces at the end, all or none.

        Raises:
            WriteFailed: the disk refuses; the file is as before.
        """
        try:
            self._handle.seek(self.size)
            for piece in pieces:
                self._write(piece)
        except OSError as error:
            self._handle.truncate(self.size)
            raise write_failed(self.path, error) from error
        self.size = self._handle.tell()

    def cut(self, size: int) -> None:
        """Drop what is behind ``size`` bytes."""
        self._handle.truncate(size)
        self.size = size

    def patch(self, at: int, data: bytes) -> None:
        """Write over bytes that are there.

        Raises:
            WriteFailed: the disk refuses.
        """
        try:
            self._handle.seek(at)
            self._write(data)
        except OSError as error:
            raise write_failed(self.path, error) from error

    def make_durable(self) -> None:
        """Have the disk hold what was written. Raises WriteFailed."""
        try:
            os.fsync(self._handle.fileno())
        except OSError as error:
            raise write_failed(self.path, error) from error

    def close(self) -> None:
        """Make the file durable and close it. Raises WriteFailed."""
        try:
            with self._handle:
                os.fsync(self._handle.fileno())
        except OSError as error:
            raise write_failed(self.path, error) from error

    def _write(self, data: bytes | memoryview) -> None:
        view = memoryview(data).cast("B")
        while view:
            view = view[self._handle.write(view) :]
