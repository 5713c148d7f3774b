"""A file that is being written and must be on the disk before anybody hears of it."""

import os
from pathlib import Path

from opticstream.core.file_blocks import drop_from_memory
from opticstream.core.files import write_failed


class NewFile:
    """A new file, open until :meth:`seal` or :meth:`abandon`.

    Args:
        path: the file; one of that name (another spelling, on some systems) is an error.

    Raises:
        WriteFailed: it cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        """Bytes written."""
        try:
            self._handle = path.open("xb", buffering=0)
        except OSError as error:
            raise write_failed(path, error) from error

    def append(self, data: memoryview) -> None:
        """Write bytes at the end.

        Raises:
            WriteFailed: the disk is full or refuses.
        """
        rest = data
        try:
            while rest:
                rest = rest[self._handle.write(rest) :]
        except OSError as error:
            raise write_failed(self.path, error) from error
        self.size += data.nbytes

    def start_writing_back(self) -> None:
        """Have the system begin to write what is in its memory, so that sealing many files waits for them together."""
        drop_from_memory(self._handle.fileno())

    def seal(self, mtime_ns: int) -> None:
        """Give the file its time (ns since 1970), make it durable and close it; its folder is the caller's.

        Raises:
            WriteFailed: the disk refuses.
        """
        times = (mtime_ns, mtime_ns)
        try:
            with self._handle:
                if os.utime in os.supports_fd:
                    os.utime(self._handle.fileno(), ns=times)
                os.fsync(self._handle.fileno())
            if os.utime not in os.supports_fd:  # Windows, where closing the file sets the time once more
                os.utime(self.path, ns=times)
        except OSError as error:
            raise write_failed(self.path, error) from error

    def abandon(self) -> None:
        """Close the file as it is."""
        self._handle.close()
