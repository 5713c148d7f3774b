"""Can a stable file be opened, and is it what its name says."""

import os
import stat
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path

from opticstream.core.errors import BadFile
from opticstream.watch.engine import FileMark

HeaderCheck = Callable[[Path, str], None]
"""Looks into a file of a kind ("complex", "spectral"); raises BadFile when it is not a whole file of that kind."""

_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a file is left out."""

    path: Path
    reason: str
    retry: bool = False
    """The reason can go away without the file changing: permissions, a network share."""
    moved: bool = False
    """The file is no longer as it was listed, so its unit is not stable after all."""


class ReadableCheck:
    """Checks each file once per fingerprint until its unit passes.

    Args:
        check: looks into a file that opens; None: files are only opened.
    """

    def __init__(self, check: HeaderCheck | None = None) -> None:
        self._check = check
        self._known: dict[Hashable, dict[FileMark, Fault | None]] = {}

    def faults(self, unit: Hashable, folder: Path, files: Iterable[tuple[FileMark, str]]) -> list[Fault]:
        """Return the faults of a unit's files, in order; none: it may be taken.

        Args:
            unit: the unit's key, under which answers are remembered until it passes.
            folder: what the files' paths are relative to.
            files: each file as it was listed, with its kind.
        """
        before = self._known.pop(unit, {})
        now: dict[FileMark, Fault | None] = {}
        for mark, kind in files:
            fault = before.get(mark)
            if mark not in before or (fault is not None and fault.retry):
                fault = self._look(folder / mark[0], mark, kind)
            now[mark] = fault
        found = [fault for fault in now.values() if fault is not None]
        if found:
            # A file that moved gets a new mark or, if it moved back, another look.
            self._known[unit] = {mark: fault for mark, fault in now.items() if fault is None or not fault.moved}
        return found

    def forget(self, unit: Hashable) -> None:
        """Drop what is remembered of a unit that is no longer there."""
        self._known.pop(unit, None)

    def _look(self, path: Path, mark: FileMark, kind: str) -> Fault | None:
        try:
            # Not blocking: what was a file when listed may be a pipe by now.
            handle = os.open(path, _OPEN)
            try:
                found = os.fstat(handle)
            finally:
                os.close(handle)
            if not stat.S_ISREG(found.st_mode):
                return Fault(path, "not a regular file", moved=True)
            # Opening makes a network file system ask its server, so this can be newer than the listing.
            if (found.st_mtime_ns, found.st_size) != mark[1:]:
                return Fault(path, "changed after it was listed", moved=True)
            if self._check is not None:
                self._check(path, kind)
        except FileNotFoundError:
            return Fault(path, "vanished after it was listed", moved=True)
        except OSError as error:
            return Fault(path, f"cannot be read: {error.strerror or error}", retry=True)
        except BadFile as error:
            return Fault(path, str(error).removeprefix(f"{path}: "))
        return None
