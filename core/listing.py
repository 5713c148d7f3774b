"""What a raw folder holds: every file below it with its size and time, so that a change is noticed."""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from opticstream.core.errors import BadFile
from opticstream.core.files import read_failed

_LINK_TAGS = {0xA0000003, 0xA000000C}
"""Windows reparse tags of a mount point (junction) and a symbolic link."""
_NAMED = 5
"""Names that one error lists; the others are counted."""


class FileState(NamedTuple):
    """What tells a changed file from an unchanged one without reading it."""

    size: int
    """Bytes."""
    mtime_ns: int
    """Time of the last change, ns since 1970."""


@dataclass(frozen=True, slots=True)
class Listing:
    """All that is below one folder at one moment."""

    files: dict[str, FileState]
    """By relative path, ``/`` between folders, in order."""
    folders: tuple[str, ...]
    """Relative paths of the folders, parents first."""

    @property
    def nbytes(self) -> int:
        """Bytes of all files."""
        return sum(state.size for state in self.files.values())


def list_folder(folder: Path, *, refused: Callable[[str, BadFile], object] | None = None) -> Listing:
    """List all files below a folder, with one stat per file.

    A symbolic link is refused: what it points to is not part of the folder, may change or go on its own, and a copy of
    the link would not be a copy of the data.

    Args:
        folder: where to begin.
        refused: takes the relative path of what cannot be listed, and why; the rest is listed all the same. What it is
            called with for the folder itself is raised anyway.

    Raises:
        BadFile: the folder or one below cannot be read, or something in it is neither a file nor a folder.
    """
    files: dict[str, FileState] = {}
    folders: list[str] = []
    waiting = [""]
    while waiting:
        relative = waiting.pop()
        for name, status in _entries(folder, relative, refused):
            path = f"{relative}/{name}" if relative else name
            if stat.S_ISDIR(status.st_mode):
                folders.append(path)
                waiting.append(path)
            else:
                files[path] = FileState(status.st_size, status.st_mtime_ns)
    return Listing(dict(sorted(files.items())), tuple(sorted(folders)))


def _entries(
    root: Path, relative: str, refused: Callable[[str, BadFile], object] | None
) -> Iterator[tuple[str, os.stat_result]]:
    folder = root / relative
    try:
        for name in sorted(os.listdir(folder)):  # noqa: PTH208 (names, not paths)
            try:
                status = _plain(folder / name)
            except BadFile as error:
                if refused is None:
                    raise
                refused(f"{relative}/{name}" if relative else name, error)
                continue
            if status is not None:
                yield name, status
    except OSError as error:
        failed = read_failed(folder, error)
        if refused is None or not relative:
            raise failed from None
        refused(relative, failed)


def _plain(path: Path) -> os.stat_result | None:
    """Return the state of a file or folder; None when it has gone since it was listed."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if getattr(status, "st_reparse_tag", 0) in _LINK_TAGS or stat.S_ISLNK(status.st_mode):
        found = "a symbolic link"
    elif stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
        return status
    else:
        found = "a device, socket or pipe"
    raise BadFile(
        str(path),
        found=found,
        expected="files and folders only",
        action="Put the file itself there, or take it out of the folder.",
    )


@dataclass(frozen=True, slots=True)
class Changes:
    """How a folder's files differ between two moments; relative paths."""

    changed: tuple[str, ...]
    gone: tuple[str, ...]
    new: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.changed or self.gone or self.new)

    def __str__(self) -> str:
        parts = (("changed", self.changed), ("gone", self.gone), ("new", self.new))
        return "; ".join(f"{word}: {_some(paths)}" for word, paths in parts if paths)


def changes(before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]) -> Changes:
    """Compare two listings, each relative path → (size, mtime_ns)."""
    return Changes(
        changed=tuple(path for path, state in before.items() if path in after and tuple(after[path]) != tuple(state)),
        gone=tuple(path for path in before if path not in after),
        new=tuple(path for path in after if path not in before),
    )


def _some(paths: tuple[str, ...]) -> str:
    more = len(paths) - _NAMED
    return ", ".join(paths[:_NAMED]) + (f" and {more} more" if more > 0 else "")
