"""What lies in a strip's folder, in one number per question."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from opticstream.core.errors import BadFile
from opticstream.watch.engine import FileMark
from opticstream.watch.listing import current_stat, listing
from opticstream.watch.ready_batch import digest

_FILE_TYPE = stat.S_IFMT(0xFFFF)
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class TreeSight:
    """The files below a folder as one look saw them; equal as long as none has changed."""

    digest: str
    """SHA-256 over relative POSIX path, mtime and size of each, 64 hexadecimal digits."""
    files: int
    total_bytes: int
    newest: int
    """Latest mtime, ns; 0 without files."""

    def is_left_of(self, before: "TreeSight") -> bool:
        """Return whether this is what remains when files were taken away and nothing was written."""
        return self.files < before.files and self.total_bytes <= before.total_bytes and self.newest <= before.newest


def look(folder: Path, *, opening: bool = False) -> TreeSight:
    """Look at every file below a folder: one listing per folder and one stat per file.

    Links to files are followed. A file that vanishes between listing and stat is simply not there.

    Args:
        folder: the strip's folder; may be a link.
        opening: also open each file, as its reader will; network file systems then answer with what is true now.

    Raises:
        OSError: a folder or file cannot be read; ``filename`` is its whole path.
        BadFile: something in there is neither a file nor a folder, or a link to a folder.
    """
    marks: list[FileMark] = []
    folders = [""]
    while folders:
        _look_at(folder, folders.pop(), marks, folders, opening)
    marks.sort()
    return TreeSight(
        digest(tuple(marks)),
        len(marks),
        sum(mark[2] for mark in marks),
        max((mark[1] for mark in marks), default=0),
    )


def _look_at(root: Path, prefix: str, marks: list[FileMark], folders: list[str], opening: bool) -> None:
    """Add the files of one folder and the names of its subfolders; ``prefix`` is its relative path with a slash."""
    name = ""
    base = f"{root}/{prefix}"  # a Path per file is slow
    try:
        with listing(base) as entries:
            for entry in entries:
                name = entry.name
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{prefix}{name}/")
                    continue
                try:
                    found = _open(base + name) if opening else current_stat(entry)
                except FileNotFoundError:
                    continue
                if found.st_mode & _FILE_TYPE != stat.S_IFREG:
                    raise _odd(root / prefix / name, found.st_mode)
                marks.append((f"{prefix}{name}", found.st_mtime_ns, found.st_size))
            name = ""
    except OSError as error:
        # What is listed through a descriptor fails without a path.
        raise OSError(error.errno, error.strerror or str(error), str(Path(base + name))) from error


def _open(path: str) -> os.stat_result:
    # Not blocking: a pipe would wait for its writer.
    handle = os.open(path, _OPEN)
    try:
        return os.fstat(handle)
    finally:
        os.close(handle)


def _odd(path: Path, mode: int) -> BadFile:
    found = "a link to a folder, which is not followed" if stat.S_ISDIR(mode) else "neither a file nor a folder"
    return BadFile(str(path), found=found, expected="files and folders of the strip's own")
