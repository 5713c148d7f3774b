"""Files that are whole or absent: temporary name, fsync, rename."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_SHARING_RETRY_S = 5.0


def rename(source: Path, target: Path) -> None:
    """Rename ``source`` over ``target`` atomically; durable once :func:`sync_folder` has been called.

    On Windows a virus scanner or indexer may hold either file for a moment, so sharing errors are retried for 5 s.
    """
    deadline = time.monotonic() + _SHARING_RETRY_S
    while True:
        try:
            os.replace(source, target)  # noqa: PTH105 (the one place that may rename)
            break
        except PermissionError:
            if os.name != "nt" or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` durable; Windows has no such call and needs none."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(handle: IO[bytes]) -> None:
    """Flush Python's and the system's buffers of ``handle`` to the disk."""
    handle.flush()
    os.fsync(handle.fileno())


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears under ``path`` only when the body ends without an exception.

    Args:
        path: final name; its folder is created.

    Yields:
        A binary file opened for writing under a temporary name in the same folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}.tmp")
    try:
        with temporary.open("wb") as handle:
            yield handle
            sync_file(handle)
        rename(temporary, path)
        sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    with atomic_file(path) as handle:
        handle.write(text.encode())
