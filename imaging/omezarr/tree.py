"""Files of a product in the making: each written under a temporary name, made durable, renamed and remembered."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import xxhash

from opticstream.core.files import rename, sync_file, sync_folder

Files = dict[str, tuple[int, str]]
"""Path below the root with ``/`` → bytes, XXH3 (128 bits, hexadecimal)."""


_MOST_SEALING = 32
"""Complete files that may wait for the disk."""


class TreeWriter:
    """Writes files below a folder and remembers the size and checksum of what it was given to write.

    Args:
        root: the folder.
        sealing: makes complete files durable meanwhile; None: at once.
    """

    def __init__(self, root: Path, sealing: Executor | None = None) -> None:
        self.root = root
        self.files: Files = {}
        self._executor = sealing
        self._sealing: deque[Future[None]] = deque()

    def seal(self, work: Callable[[], None]) -> None:
        """Have a complete file made durable, which may take long, so that the caller can go on."""
        if self._executor is None:
            work()
            return
        while self._sealing and (self._sealing[0].done() or len(self._sealing) >= _MOST_SEALING):
            self._sealing.popleft().result()
        self._sealing.append(self._executor.submit(work))

    def wait(self) -> None:
        """Wait until all files that have been sealed are durable.

        Raises:
            OSError: one could not be made durable.
        """
        while self._sealing:
            self._sealing.popleft().result()

    def write(self, path: str, data: bytes | memoryview) -> None:
        """Write a small file."""
        with self.create(path) as file:
            file.append(data)

    @contextmanager
    def create(self, path: str) -> Iterator["TreeFile"]:
        """Open a file that gets its name when the body ends without an exception."""
        file = TreeFile(self, path)
        try:
            yield file
            file.seal()
        finally:
            file.abandon()

    def open(self, path: str) -> "TreeFile":
        """Open a file that gets its name when it is sealed."""
        return TreeFile(self, path)

    def sync_folders(self) -> None:
        """Make the names durable, the deepest folders first."""
        self.wait()
        folders = sorted((Path(folder) for folder, _, _ in os.walk(self.root)), key=lambda path: -len(path.parts))
        for folder in folders:
            sync_folder(folder)


class TreeFile:
    """A file that is appended to; its checksum grows with it."""

    def __init__(self, tree: TreeWriter, path: str) -> None:
        self._tree, self._path = tree, path
        self._final = tree.root / path
        self._final.parent.mkdir(parents=True, exist_ok=True)
        self._partial = self._final.with_name(f".{self._final.name}.partial")
        self._digest: Any = xxhash.xxh3_128()
        self.size = 0
        self._handle: IO[bytes] | None = self._partial.open("wb", buffering=0)

    def append(self, data: bytes | memoryview) -> None:
        """Write at the end."""
        assert self._handle is not None, "the file is closed"  # noqa: S101 (a mistake of ours)
        view = memoryview(data)
        while len(view):
            view = view[self._handle.write(view) :]
        self._digest.update(data)
        self.size += len(data)

    def seal(self) -> None:
        """Make the content durable and give the file its name, both before :meth:`TreeWriter.wait` returns."""
        assert self._handle is not None, "the file is closed"  # noqa: S101 (a mistake of ours)
        handle, self._handle = self._handle, None
        self._tree.files[self._path] = (self.size, self._digest.hexdigest())
        self._tree.seal(lambda: self._seal(handle))

    def _seal(self, handle: IO[bytes]) -> None:
        with handle:
            sync_file(handle)
            _leave_cache(handle)
        rename(self._partial, self._final)

    def abandon(self) -> None:
        """Close the file if it has not been sealed; it keeps its temporary name."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None


def _leave_cache(handle: IO[bytes]) -> None:
    """Drop a durable file from the system's cache, where it can be told so.

    What is written is read next by the verification, and that from the disk; until then its pages would only be in
    the way of the raw data's, and be freed when memory is short, which costs more.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
