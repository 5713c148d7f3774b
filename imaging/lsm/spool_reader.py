"""The bytes of a strip's spool files, each read once and in order, for whoever needs them."""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import IO, Any

import xxhash

from opticstream.core.errors import BadFile, WriteFailed
from opticstream.core.lsm_config import Checksum
from opticstream.imaging.lsm.spool import SpoolFile, SpoolStrip
from opticstream.imaging.raw_sink import RawSink

_PIECE_BYTES = 4 << 20
"""Read at once: what was read is still in the cache when it is copied and its checksum taken."""


class SpoolReader:
    """Reads on, file after file, into buffers that the caller gives; used by one thread at a time.

    Args:
        strip: what is read.
        checksum: of each file. XXH3 is taken at once; SHA-256, which is slow on many computers, on ``pool``.
        sink: receives the same bytes.
        pool: where SHA-256 is computed.
        timed: calls a function on behalf of the pool.
    """

    def __init__(
        self, strip: SpoolStrip, checksum: Checksum, sink: RawSink | None, pool: Executor, timed: Callable[..., Any]
    ) -> None:
        self._files = list(reversed(strip.files))
        self._checksum, self._sink = checksum, sink
        self._pool, self._timed = pool, timed
        self._file: SpoolFile | None = None
        self._handle: IO[bytes] | None = None
        self._left = 0
        self._digest: Any = None
        self._hashing: Future[None] | None = None
        self.checksums: dict[str, str] = {}
        """Name → checksum, hexadecimal, of each file; complete when the last future has ended."""

    def read(self, buffer: memoryview) -> list[Future[None]]:
        """Fill ``buffer`` with the next bytes of the strip.

        Returns:
            What still uses the buffer.

        Raises:
            BadFile: a file cannot be read or was changed after the strip was opened.
            WriteFailed: the sink could not write.
        """
        using: list[Future[None]] = []
        while len(buffer):
            if self._handle is None:
                self._open()
            assert self._file is not None  # noqa: S101 (just opened)
            piece = buffer[: min(len(buffer), self._left, _PIECE_BYTES)]
            self._fill(piece)
            self._left -= len(piece)
            self._use(piece, using)
            if not self._left:
                self._close_file()
            buffer = buffer[len(piece) :]
        return using

    def close(self) -> None:
        """Close the file that is open."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def _open(self) -> None:
        self._file = self._files.pop()
        try:
            self._handle = self._file.path.open("rb", buffering=0)
        except OSError as error:
            raise _unreadable(self._file, error) from None
        self._check_unchanged()
        self._left = self._file.size
        self._hashing = None
        kinds: dict[Checksum, Callable[[], Any]] = {"xxh3": xxhash.xxh3_128, "sha256": hashlib.sha256}
        self._digest = kinds[self._checksum]() if self._checksum in kinds else None
        self._to_sink("begin", self._file.path.name, self._file.size)

    def _check_unchanged(self) -> None:
        assert self._file is not None and self._handle is not None  # noqa: S101 (a file is open)
        status = os.fstat(self._handle.fileno())
        if (status.st_size, status.st_mtime_ns) != (self._file.size, self._file.mtime_ns):
            raise BadFile(
                str(self._file.path),
                found=f"{status.st_size} bytes, changed while the strip was converted",
                expected=f"{self._file.size} bytes that stay as they are",
                action="Retry when the acquisition has ended.",
            )

    def _fill(self, piece: memoryview) -> None:
        assert self._file is not None and self._handle is not None  # noqa: S101 (a file is open)
        while len(piece):
            try:
                got: int = self._handle.readinto(piece)  # type: ignore[attr-defined]
            except OSError as error:
                raise _unreadable(self._file, error) from None
            if not got:
                self._check_unchanged()
                raise BadFile(str(self._file.path), found="an early end", expected=f"{self._file.size} bytes")
            piece = piece[got:]

    def _use(self, piece: memoryview, using: list[Future[None]]) -> None:
        assert self._file is not None  # noqa: S101 (a file is open)
        self._to_sink("write", piece)
        name = None if self._left else self._file.path.name
        if self._checksum == "sha256":
            self._hashing = self._pool.submit(self._timed, self._update, self._digest, piece, name, self._hashing)
            using.append(self._hashing)
        elif self._digest is not None:
            self._update(self._digest, piece, name, None)

    def _update(self, digest: Any, piece: memoryview, name: str | None, before: Future[None] | None) -> None:
        """Add a piece to its file's checksum; those before it come first, and have begun before."""
        if before is not None:
            before.result()
        digest.update(piece)
        if name is not None:
            self.checksums[name] = digest.hexdigest()

    def _close_file(self) -> None:
        assert self._file is not None  # noqa: S101 (a file is open)
        self._check_unchanged()
        self.close()
        self._to_sink("end", self._file.path.name)

    def _to_sink(self, call: str, *args: Any) -> None:
        assert self._file is not None  # noqa: S101 (a file is open)
        if self._sink is None:
            return
        try:
            getattr(self._sink, call)(*args)
        except OSError as error:
            raise WriteFailed(
                f"copy of {self._file.path.name}",
                found=error.strerror or str(error),
                expected="a folder with room that this user can write to",
                action="Make room or mend the permissions, then retry.",
            ) from error


def _unreadable(file: SpoolFile, error: OSError) -> BadFile:
    return BadFile(str(file.path), found=error.strerror or str(error), expected="a file this user can read")
