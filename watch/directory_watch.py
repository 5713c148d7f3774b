"""New subfolders of a folder: by the operating system's events, and by looking."""

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler

from opticstream.core.errors import BadInput
from opticstream.watch.listing import listing
from opticstream.watch.stop_signal import StopSignal

_log = logging.getLogger("opticstream.watch")


class NewFolderHandler(FileSystemEventHandler):
    """Tells of new immediate subfolders, made there or moved there, and of changes to those that are there.

    Called in the observer's thread; so are ``found`` and ``changed``.

    Args:
        folder: the watched folder, spelled as it is given to the observer.
        found: is called with each new subfolder.
        changed: is called with each subfolder that is said to have changed. What counts depends on the system:
            Windows tells of new files in it, Linux only if the observer is recursive.
    """

    def __init__(
        self, folder: Path, found: Callable[[Path], object], changed: Callable[[Path], object] = lambda path: None
    ) -> None:
        super().__init__()
        self._folder = folder
        self._found = found
        self._changed = changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Sort one event."""
        if not event.is_directory:
            return
        if event.event_type == "created":
            self._tell(event.src_path, self._found)
        elif event.event_type == "moved":
            self._tell(event.dest_path, self._found)
        elif event.event_type in ("modified", "attrib"):
            self._tell(event.src_path, self._changed)

    def _tell(self, where: bytes | str, whom: Callable[[Path], object]) -> None:
        path = Path(os.fsdecode(where))
        if path.parent == self._folder:
            whom(path)


def polling_scanner(
    folder: Path,
    found: Callable[[Path], object],
    stop: StopSignal,
    *,
    poll_interval_s: float = 5.0,
    known: Iterable[str] = (),
) -> None:
    """Call ``found`` with every immediate subfolder that was not there before, until stopped.

    Finds what the operating system's events miss, and is all there is on network shares. A folder that goes and
    comes back is found again; while the watched folder cannot be listed, everything known is kept.

    Args:
        folder: the watched folder.
        found: is called in this thread, in order of names.
        stop: ends it.
        poll_interval_s: seconds between looks, above 0.
        known: names of subfolders not to tell of.

    Raises:
        BadInput: ``poll_interval_s`` is not above 0.
    """
    if not poll_interval_s > 0:
        raise BadInput("poll_interval_s", found=str(poll_interval_s), expected="a number of seconds above 0")
    seen, away = set(known), False
    while not stop.is_set():
        try:
            with listing(folder) as entries:
                there = {entry.name for entry in entries if entry.is_dir()}
        except OSError as error:
            if not away:
                _log.warning("%s cannot be listed: %s; trying again", folder, error.strerror or error)
            away = True
        else:
            away = False
            for name in sorted(there - seen):
                found(folder / name)
            seen = there
        stop.wait(poll_interval_s)
