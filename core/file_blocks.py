"""Reading a file block by block, and telling the system to read it from the disk."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from opticstream.core.checksum import new_checksum

BLOCK = 8 << 20
"""Bytes read at once, at most."""


def read_blocks(handle: IO[bytes]) -> Iterator[memoryview]:
    """Yield an unbuffered file's content; each block is overwritten by the next."""
    # Clearing eight megabytes takes a hundred times as long as reading a small file; the one byte more finds its end.
    size = min(BLOCK, os.fstat(handle.fileno()).st_size + 1)
    buffer = memoryview(bytearray(size))
    while count := handle.readinto(buffer):  # type: ignore[attr-defined] # raw files have it
        yield buffer[:count]


def drop_from_memory(descriptor: int) -> None:
    """Let the system forget what it keeps of a file in memory; what is not on the disk yet is on its way afterwards.

    Windows has no such call, and nothing happens there.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def hash_from_disk(path: Path, seen: Callable[[int], object], *, algorithm: str = "sha256") -> tuple[int, str]:
    """Return (bytes, checksum) of a file as the disk has it.

    Where the system can be told so (not on Windows), what it keeps of the file in memory is dropped first: otherwise
    the file just written would be compared with itself, not with what reached the disk.

    Args:
        path: file to read.
        seen: called with the size of every block read; what it raises ends the reading.
        algorithm: one of :data:`opticstream.core.checksum.ALGORITHMS`.

    Raises:
        OSError: it cannot be read.
    """
    digest, size = new_checksum(algorithm), 0
    with path.open("rb", buffering=0) as handle:
        drop_from_memory(handle.fileno())
        for block in read_blocks(handle):
            digest.update(block)
            size += len(block)
            seen(len(block))
    return size, digest.hexdigest()
