"""Files that are whole or absent: temporary name, fsync, rename; and what is said when the disk refuses."""

import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from opticstream.core.errors import BadFile, WriteFailed

log = logging.getLogger(__name__)
_SHARING_RETRY_S = 5.0
_UNFINISHED = re.compile(r"\..+\.\d+\.\d+\.tmp", re.DOTALL)


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


def is_unfinished(name: str) -> bool:
    """Say whether a file's name is one that :func:`atomic_file` gives while it writes, or that a kill left."""
    return _UNFINISHED.fullmatch(name) is not None


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    with atomic_file(path) as handle:
        handle.write(text.encode())


def remove_tree(folder: Path) -> None:
    """Delete a folder, or nothing when it is absent.

    It is renamed first, so that nobody takes what is half deleted for whole. What cannot be deleted stays under that
    name (``.{name}.….trash``) with a warning.

    Raises:
        OSError: it cannot be renamed.
    """
    trash = folder.with_name(f".{folder.name.lstrip('.')}.{os.getpid()}.{time.monotonic_ns()}.trash")
    try:
        rename(folder, trash)
    except FileNotFoundError:
        return
    shutil.rmtree(trash, ignore_errors=True)
    if os.path.lexists(trash):
        log.warning("%s: could not be deleted completely; delete it by hand", trash)


def write_failed(path: Path, error: OSError) -> WriteFailed:
    """Return the error that says which product could not be written, why, and how much room is left."""
    return WriteFailed(
        str(path),
        found=f"{error.strerror or error}{_room(path.parent)}",
        expected="a folder with room that this user can write to",
        action="Make room or mend the permissions, then retry.",
    )


@contextmanager
def writing(product: Path) -> Iterator[None]:
    """Turn a failure of the body to write ``product`` into an error that names it and the room left.

    Raises:
        WriteFailed: the disk is full, or may not be written to.
    """
    try:
        yield
    except OSError as error:
        raise write_failed(product, error) from error


def read_failed(path: Path, error: OSError) -> BadFile:
    """Return the error that says which file or folder could not be read, and why."""
    kind = "folder" if path.is_dir() else "file"
    return BadFile(str(path), found=error.strerror or str(error), expected=f"a {kind} this user can read")


def _room(folder: Path) -> str:
    try:
        return f" ({shutil.disk_usage(folder).free / 1e9:.1f} GB free)"
    except OSError:
        return ""
