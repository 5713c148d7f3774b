"""Removes originals whose copies were read back in this run, and folders that this left empty."""

import contextlib
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from opticstream.core.listing import FileState
from opticstream.rig.archive.journal import Record
from opticstream.rig.archive.selection import always_archived

log = logging.getLogger(__name__)


def remove_originals(session: Path, verified: Mapping[str, Record], *, folders: bool) -> int:
    """Remove files and return how many; metadata, and what changed since it was copied, stays with a warning.

    Args:
        session: the session's folder.
        verified: what was read when the copies were made or compared, by path.
        folders: also remove folders that are empty afterwards and held one of these files.
    """
    removed: set[str] = set()
    for path, record in verified.items():
        if always_archived(path) or record.snapshot:
            continue
        original = session / path
        try:
            status = original.lstat()
            if FileState(status.st_size, status.st_mtime_ns) != (record.size, record.mtime_ns):
                log.warning("%s: changed since it was archived; it stays", original)
                continue
            original.unlink()
            removed.add(path)
        except OSError as error:
            log.warning("%s: is archived but was not removed: %s", original, error.strerror or error)
    if folders:
        _remove_empty(session, removed)
    return len(removed)


def _remove_empty(session: Path, removed: Iterable[str]) -> None:
    held = {parent for path in removed for parent in Path(path).parents if parent != Path()}
    for folder in sorted(held, key=lambda path: len(path.parts), reverse=True):
        with contextlib.suppress(OSError):  # something is in it
            (session / folder).rmdir()
