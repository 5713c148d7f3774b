"""One destination of a session's archive: what is there, and how a copy gets its name."""

import contextlib
import errno
import logging
import os
import re
import secrets
import threading
from pathlib import Path

from opticstream.core.errors import OpticstreamError, WriteFailed
from opticstream.core.file_blocks import hash_from_disk
from opticstream.core.files import rename, sync_folder, write_failed
from opticstream.core.listing import FileState
from opticstream.rig.archive.journal import Journal, Record, free_name
from opticstream.rig.archive.request import TargetName

log = logging.getLogger(__name__)
_TEMPORARY = re.compile(r"\.opticstream-archive-[0-9a-f]{8}-\d+\.tmp")
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_AWAY = {
    number
    for name in ("ENODEV", "ENOTCONN", "EHOSTDOWN", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", "ESTALE", "EROFS")
    if (number := getattr(errno, name, None)) is not None
}
_WINDOWS_FULL = {39, 112}
_WINDOWS_AWAY = {53, 59, 64, 67, 121, 1231, 1236}
"""Windows: network path, name or connection lost. Not verified here."""


class Target:
    """The session's folder at one destination.

    Files are written under temporary names in the folder they belong to. What others put under a name that a copy
    needs is moved aside to ``{name}.superseded-1``, never overwritten.
    """

    def __init__(self, name: TargetName, root: Path, journal: Journal) -> None:
        self.name, self.root = name, root
        self.present: dict[str, FileState] = {}
        """What was there at the start, by path."""
        self.lost: WriteFailed | None = None
        """Why nothing more can be written: full, away."""
        self.superseded: dict[str, str] = {}
        self._journal = journal
        self._token, self._number = secrets.token_hex(4), 0
        self._lock = threading.Lock()
        self._folders: set[str] = set()
        self._published: set[str] = set()

    def look(self, *, clean: bool) -> None:
        """List what is there; what a cut left under temporary names is deleted if ``clean``."""
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            with contextlib.suppress(OSError), os.scandir(self.root / folder) as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(path)
                    elif _TEMPORARY.fullmatch(entry.name):
                        if clean:
                            Path(entry.path).unlink(missing_ok=True)
                    else:
                        with contextlib.suppress(OSError):
                            status = entry.stat(follow_symlinks=False)
                            self.present[path] = FileState(status.st_size, status.st_mtime_ns)

    def temporary(self, path: str) -> Path:
        """Return a new name in the folder of a path, which is made if it is not there.

        Raises:
            WriteFailed: the folder cannot be made, or the target is lost.
        """
        if self.lost is not None:
            raise self.lost
        folder = path.rpartition("/")[0]
        self.make(folder)
        with self._lock:
            self._number += 1
            number = self._number
        return self.root / folder / f".opticstream-archive-{self._token}-{number}.tmp"

    def make(self, folder: str) -> None:
        """Make a folder, durably, with those above it.

        Raises:
            WriteFailed: it cannot be made.
        """
        with self._lock:
            if folder in self._folders:
                return
            path = self.root / folder
            try:
                missing = []
                while not path.is_dir():
                    missing.append(path)
                    path = path.parent
                for new in reversed(missing):
                    new.mkdir(exist_ok=True)
                    sync_folder(new.parent)
            except OSError as error:
                raise self.failed(self.root / folder, error) from error
            self._folders.add(folder)

    def publish(self, temporary: Path, record: Record) -> int:
        """Give a verified copy its name and return its time, ns since 1970; durable with :meth:`sync`.

        Raises:
            WriteFailed: it cannot be renamed, or something that is no file has the name.
        """
        final = self.root / record.path
        try:
            if os.path.lexists(final):
                self._make_way(final, record)
            rename(temporary, final)
            self._published.add(record.path)
            return final.stat().st_mtime_ns
        except OSError as error:
            raise self.failed(final, error) from error

    def sync(self, paths: set[str]) -> None:
        """Make the names of published copies durable.

        Raises:
            WriteFailed: the disk refuses.
        """
        for folder in {path.rpartition("/")[0] for path in paths}:
            try:
                sync_folder(self.root / folder)
            except OSError as error:
                raise self.failed(self.root / folder, error) from error

    def failed(self, path: Path, error: OSError) -> WriteFailed:
        """Return the error to raise; one that concerns the whole target ends the writing there."""
        failure = write_failed(path, error)
        failure.__cause__ = error
        return self.noticed(failure)

    def noticed(self, failure: WriteFailed) -> WriteFailed:
        """Return a failure that somebody else raised from an OSError, after looking whether it concerns the target."""
        cause = failure.__cause__
        away = isinstance(cause, OSError) and (
            cause.errno in _AWAY or getattr(cause, "winerror", None) in _WINDOWS_AWAY
        )
        if self.lost is None and (away or disk_is_full(failure)):
            self.lost = failure
        return failure

    def _make_way(self, final: Path, record: Record) -> None:
        """Return if what has the name is an archiver's own; move aside what is not."""
        if record.path in self._published:
            return
        if final.is_dir() and not final.is_symlink():
            raise IsADirectoryError(errno.EISDIR, "a folder of that name is there", str(final))
        if record.path not in self.present and final.name not in os.listdir(final.parent):  # noqa: PTH208 (the spelling)
            raise FileExistsError(
                errno.EEXIST, "a file whose name differs in upper and lower case is there", str(final)
            )
        status = final.lstat()
        known = self._journal.copies(self.name).get(record.path)
        if known and known.mtime_ns == status.st_mtime_ns and known.record.size == status.st_size:
            return
        if final.is_symlink() or not self._is_ours(final, record.path):
            aside = free_name(final, "superseded")
            rename(final, aside)
            self.superseded[str(final)] = aside.name
            log.warning("%s: held something else; it is %s now", final, aside.name)

    def _is_ours(self, final: Path, path: str) -> bool:
        _, checksum = hash_from_disk(final, lambda _: None, algorithm=self._journal.algorithm)
        return self._journal.is_ours(self.name, path, checksum)


def discard(temporary: Path) -> None:
    """Delete a temporary file; one that cannot be is left to the next run."""
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)


def concerns_permission(error: OpticstreamError) -> bool:
    """Say whether permission was denied."""
    return isinstance(error.__cause__, PermissionError)


def disk_is_full(error: OpticstreamError) -> bool:
    """Say whether there was no room."""
    cause = error.__cause__
    return isinstance(cause, OSError) and (cause.errno in _FULL or getattr(cause, "winerror", None) in _WINDOWS_FULL)
