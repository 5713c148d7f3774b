"""Listing a folder, and what a file in it is at this moment."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WINDOWS = sys.platform == "win32"


@contextmanager
def listing(folder: Path | str) -> "Iterator[Iterator[os.DirEntry[str]]]":
    """List through a descriptor where the system can: stats then skip resolving the folder's path each time.

    Raises:
        OSError: the folder cannot be listed.
    """
    if os.scandir not in os.supports_fd:
        with os.scandir(folder) as entries:
            yield entries
        return
    handle = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        with os.scandir(handle) as entries:
            yield entries
    finally:
        os.close(handle)


def current_stat(entry: "os.DirEntry[str]") -> os.stat_result:
    """Return what a listed file is now; links are followed.

    Windows lists the size a file had when it was last closed; only a stat of its own is current.

    Raises:
        OSError: it cannot be looked at.
    """
    return os.stat(entry.path) if _WINDOWS else entry.stat()  # noqa: PTH116 - a Path per file is slow
