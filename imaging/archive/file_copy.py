"""One file on its way into an archive: bytes go in, the checksum of what went in comes out."""

import hashlib
from concurrent.futures import Executor
from pathlib import Path

from opticstream.core.errors import BadFile
from opticstream.core.listing import FileState
from opticstream.core.new_file import NewFile

_WORTH_A_THREAD = 1 << 20
"""Bytes from which hashing beside writing is faster than one after the other."""


class FileCopy:
    """A new file of an archive, open until :meth:`seal` or :meth:`abandon`."""

    def __init__(self, source: Path, target: Path, state: FileState) -> None:
        """Create the file.

        Args:
            source: the file copied, for errors.
            target: the new file; a file of that name (another spelling, on some systems) is an error.
            state: size and time of the source.

        Raises:
            WriteFailed: it cannot be created.
        """
        self.source, self.target, self.state = source, target, state
        self._digest = hashlib.sha256()
        self._file = NewFile(target)

    def write(self, data: memoryview, helper: Executor | None = None) -> None:
        """Append bytes; ``data`` may be reused when this returns.

        Args:
            data: bytes of the source, in order.
            helper: hashes while this thread writes; None hashes first.

        Raises:
            WriteFailed: the disk is full or refuses.
        """
        if not data.nbytes:
            return
        flat = data.cast("B") if data.c_contiguous else memoryview(data.tobytes())
        if helper is None or flat.nbytes < _WORTH_A_THREAD:
            self._digest.update(flat)
            self._file.append(flat)
            return
        hashed = helper.submit(self._digest.update, flat)
        try:
            self._file.append(flat)
        finally:
            hashed.result()

    def seal(self) -> str:
        """Give the file its time, make it durable and close it; return its SHA-256.

        Raises:
            BadFile: not as many bytes came as the source has.
            WriteFailed: the disk refuses.
        """
        if self._file.size != self.state.size:
            self.abandon()
            raise BadFile(str(self.source), found=f"{self._file.size} bytes read", expected=f"{self.state.size}")
        self._file.seal(self.state.mtime_ns)
        return self._digest.hexdigest()

    def abandon(self) -> None:
        """Close the file as it is."""
        self._file.abandon()
