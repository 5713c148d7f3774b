"""The operating system's events of one folder, as hints: what they miss is found by looking."""

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from opticstream.watch.directory_watch import NewFolderHandler

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

_log = logging.getLogger("opticstream.watch")


class FolderEvents:
    """Collects the names of subfolders that are new or changed; starts anew when the folder becomes another one.

    Without events (a limit of the system is reached, a share has none) there is one warning and there are no hints.

    Args:
        folder: the watched folder. What is in its subfolders is not observed: thousands of new files would cost an
            event each, and an observer that follows new folders can end on one that is renamed at once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._observer: BaseObserver | None = None
        self._observed: tuple[int, int] | None = None
        """Device and inode the observer was started on, or failed on."""
        self._lock = threading.Lock()
        self._names: set[str] = set()
        self._new = threading.Event()

    def start(self) -> None:
        """Observe the folder from here on, if it is there; a folder that is another one since the last call, too."""
        try:
            found = self._folder.stat()
        except OSError:
            return  # whoever looks into it says so
        identity = found.st_dev, found.st_ino
        if identity == self._observed and (self._observer is None or self._lives(self._observer)):
            return
        self.stop()
        self._observed = identity
        try:
            self._observer = self._begin()
        except (OSError, RuntimeError) as error:  # the latter: no more threads
            _log.warning(
                "%s: no events from the operating system (%s); new folders are found by looking", self._folder, error
            )

    def stop(self) -> None:
        """End the observer and its threads."""
        observer, self._observer, self._observed = self._observer, None, None
        if observer is not None:
            _end(observer)

    def is_new(self) -> bool:
        """Return whether there is a new subfolder since `take` was last called."""
        return self._new.is_set()

    def take(self) -> set[str]:
        """Return the names of subfolders that are new or changed since it was last called."""
        with self._lock:
            names, self._names = self._names, set()
            self._new.clear()
        return names

    def _begin(self) -> "BaseObserver":
        from watchdog.events import DirCreatedEvent, DirModifiedEvent, DirMovedEvent
        from watchdog.observers import Observer

        observer = Observer()
        try:
            # Only these: listing the folder makes events of its own, which would lead to the next listing.
            wanted = [DirCreatedEvent, DirMovedEvent, DirModifiedEvent]
            handler = NewFolderHandler(self._folder, self._found, self._changed)
            observer.schedule(handler, str(self._folder), event_filter=[*wanted])
            observer.start()
        except BaseException:
            _end(observer)
            raise
        return observer

    def _found(self, path: Path) -> None:
        with self._lock:
            self._names.add(path.name)
            self._new.set()

    def _changed(self, path: Path) -> None:
        with self._lock:
            self._names.add(path.name)

    @staticmethod
    def _lives(observer: "BaseObserver") -> bool:
        return observer.is_alive() and all(emitter.is_alive() for emitter in observer.emitters)


def _end(observer: "BaseObserver") -> None:
    observer.stop()
    if observer.is_alive():
        observer.join()
