"""The acquisition's output on disk, as it came."""

import logging
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from opticstream.core.patience import joined

_log = logging.getLogger("opticstream.rig")
_RETRY_S = 5.0
_PENDING_BYTES = 1 << 24
_CLOSE_S = 5.0


class OutputLog:
    """Appends bytes to a file, in a thread of its own; a disk that refuses or is slow costs the log, not the acquisition.

    Up to 16 MB wait for the disk; of more, the oldest are left out, and a line in the file says how many. Beyond
    ``limit_bytes`` the file is renamed to ``NAME.1``, over an older one, and a new one begun: of a flood the last part
    is there.

    Args:
        path: the file; its folder is created.
        limit_bytes: size at which a new file is begun.
    """

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self.path, self._limit = path, limit_bytes
        self._waiting: deque[bytes] = deque()
        self._pending = self._skipped = self._lost = self._size = 0
        self._wake = threading.Condition()
        self._closing = False
        self._retry_at = 0.0
        self._file = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)
            self._size = self._file.tell()
        except OSError as error:
            self._refused(error)
        self._thread = threading.Thread(target=self._work, name="opticstream-output-log", daemon=True)
        self._thread.start()

    def write(self, data: bytes | memoryview) -> None:
        """Hand over what comes next; returns at once."""
        with self._wake:
            self._waiting.append(bytes(data))
            self._pending += len(data)
            while self._pending > _PENDING_BYTES and len(self._waiting) > 1:
                oldest = len(self._waiting.popleft())
                self._pending -= oldest
                self._skipped += oldest
            self._wake.notify()

    def close(self) -> None:
        """Write what waits, for at most 5 s, and close the file; say how much of the output it lacks."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        lost = self._lost + (0 if joined(self._thread, _CLOSE_S) else self._pending)
        if lost:
            _log.warning("%s lacks %d bytes of the output: the disk did not take them", self.path, lost)

    def _work(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    break
                data = self._waiting.popleft()
                self._pending -= len(data)
                skipped, self._skipped = self._skipped, 0
            if skipped:
                self._lost += skipped
                self._put(f"\n… {skipped} bytes left out: they came faster than the disk takes them\n".encode())
            if not self._put(data):
                self._lost += len(data)
        if self._file:
            with suppress(OSError):
                self._file.close()

    def _put(self, data: bytes) -> bool:
        """Write, if the disk takes it; after a refusal it is not asked for a while."""
        if self._retry_at and time.monotonic() < self._retry_at:
            return False
        try:
            self._append(data)
        except OSError as error:
            self._refused(error)
            return False
        return True

    def _append(self, data: bytes) -> None:
        if self._file is None:
            self._file = self.path.open("ab", buffering=0)
            self._size = self._file.tell()
        if self._size and self._size + len(data) > self._limit:
            self._file.close()
            self._file = None
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            self._file = self.path.open("ab", buffering=0)
            self._size = 0
        rest = memoryview(data)
        while rest:  # a disk that is filling up takes a part
            written = self._file.write(rest) or 0
            self._size += written
            rest = rest[written:]
        self._retry_at = 0.0

    def _refused(self, error: OSError) -> None:
        if not self._retry_at:
            _log.warning(
                "%s: the output is not logged (%s); the acquisition goes on", self.path, error.strerror or error
            )
        self._retry_at = time.monotonic() + _RETRY_S
