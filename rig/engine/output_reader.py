"""The pipe of one stream, read as fast as it is written to."""

import io
import logging
import os
import secrets
import sys
import threading
from contextlib import suppress

from opticstream.core.patience import joined
from opticstream.rig.engine.output_sink import OutputSink

_log = logging.getLogger("opticstream.rig")
_CHUNK = 1 << 17
_PIPE_BYTES = 1 << 20


class OutputReader:
    """Reads one stream through a pipe, in a thread of its own.

    The launcher keeps both ends. When the process has ended, `finish` writes a mark behind its last byte, so the
    reader knows the end exactly, also when grandchildren still hold the pipe, and on every system.

    Args:
        sink: is given what comes.
    """

    def __init__(self, sink: OutputSink) -> None:
        self.sink = sink
        self._ending = False
        self._mark = b"\0opticstream:" + secrets.token_hex(16).encode()
        self._read_end, self._write_end = os.pipe()
        _widen(self._write_end)
        self._thread = threading.Thread(target=self._read, name=f"opticstream-{sink.stream}", daemon=True)

    @property
    def read_end(self) -> int:
        """File descriptor that is read."""
        return self._read_end

    @property
    def write_end(self) -> int:
        """File descriptor for the process to write to."""
        return self._write_end

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def finish(self) -> None:
        """Say that the process has ended; what it wrote is still read."""
        self._ending = True
        with suppress(OSError):
            os.write(self._write_end, self._mark)

    def join(self, timeout_s: float) -> bool:
        """Wait until everything is read; say whether it is."""
        return joined(self._thread, timeout_s)

    def close(self) -> None:
        """Give the pipe and the log back; a reader that still reads keeps them."""
        if self._thread.is_alive():
            return
        for end in (self._read_end, self._write_end):
            os.close(end)
        self.sink.close()

    def _read(self) -> None:
        buffer = bytearray(_CHUNK)  # one for all: a new one for each read costs more than the reading
        view = memoryview(buffer)
        held = b""
        with io.FileIO(self._read_end, closefd=False) as pipe:
            while True:
                try:
                    size = pipe.readinto(buffer)
                except OSError as error:
                    _log.warning("The %s of the acquisition cannot be read: %s", self.sink.stream, error)
                    break
                if not size:
                    break
                if not self._ending:  # the mark is written after this is set, so it cannot be here
                    self.sink.take(view[:size])
                    continue
                data = held + bytes(view[:size])
                before, mark, _ = data.partition(self._mark)
                # The mark may be cut in two by the end of this read.
                held = b"" if mark else data[len(data) - _overlap(data, self._mark) :]
                whole = before if mark else data[: len(data) - len(held)]
                self.sink.take(memoryview(whole))
                if mark:
                    break
        self.sink.finish()


def _overlap(data: bytes, mark: bytes) -> int:
    """Return how many bytes at the end of ``data`` are the beginning of ``mark``."""
    start = data.rfind(mark[:1], max(0, len(data) - len(mark) + 1))
    return len(data) - start if start >= 0 and mark.startswith(data[start:]) else 0


def _widen(descriptor: int) -> None:
    """Let the process write further ahead than the 64 kB a pipe holds; where that is refused, 64 kB do."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
