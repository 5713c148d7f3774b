"""Copies a raw folder into an archive while it is read once: by itself, or from the buffers of a conversion."""

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from opticstream.core.errors import BadFile, BadInput, WriteFailed
from opticstream.core.file_blocks import read_blocks
from opticstream.core.file_threads import StopMark, for_each_file
from opticstream.core.files import atomic_file, read_failed, sync_folder, write_failed
from opticstream.core.listing import FileState, Listing, changes, list_folder
from opticstream.imaging.archive.file_copy import FileCopy
from opticstream.imaging.archive.manifest import SIZES_NAME, SUMS_NAME, ArchivedFile, Manifest
from opticstream.imaging.archive.rate_limit import RateLimit


class ArchiveWriter:
    """Writes one raw folder and its manifest under a temporary name; ``publish_archive`` gives it its own.

    A conversion that reads the raw files anyway hands them over (``begin``, ``write``, ``end``: it is a ``RawSink``);
    ``finish()`` copies the rest. The checksums are of the bytes that were read from the source, the bytes a
    conversion used. Every file and folder is durable before the manifest is written, which is last.

    The folder is listed once, at the start. A file that changes, goes or comes until ``finish()`` has ended is an
    error: what was copied would be no strip that ever was.

    Use it in a ``with`` block; what an error leaves is the caller's to delete (``remove_tree``). Memory: 8 MiB a
    worker.
    """

    def __init__(
        self,
        source: Path,
        staging: Path,
        *,
        rate_limit_mb_s: float = 0.0,
        workers: int = 2,
        check: Callable[[], object] | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> None:
        """List the source and make the folders of the copy.

        Args:
            source: raw folder.
            staging: the copy's folder, under a name that carries the claim's token; absent or empty.
            rate_limit_mb_s: MB (10⁶ bytes) a second at most; 0 is no limit. It slows a conversion that feeds this.
            workers: files that ``finish()`` copies at a time.
            check: called before every block and ten times a second while this waits; what it raises ends the copy.
            progress: called with (bytes copied, bytes in all) in the calling thread.

        Raises:
            BadFile: the source cannot be read, or holds a link, a device, or a file called like a manifest.
            BadInput: the staging folder is in the source, or has something in it.
            WriteFailed: the copy's folders cannot be made, or there is no room for it.
        """
        self.source, self.staging = source, staging
        self._check = check or (lambda: None)
        self._progress = progress or (lambda _done, _total: None)
        self._limit, self._workers = RateLimit(rate_limit_mb_s), workers
        self._listing = _list_source(source)
        _prepare(source, staging, self._listing)
        self._begun: set[str] = set()
        self._done: dict[str, ArchivedFile] = {}
        self._current: tuple[str, FileCopy] | None = None
        self._sealing: Future[None] | None = None
        self._helpers = ThreadPoolExecutor(2, thread_name_prefix="opticstream-archive")
        self._lock, self._copied = threading.Lock(), 0

    def begin(self, name: str, size: int) -> None:
        """Take a file's bytes from now on.

        Args:
            name: path relative to the source, ``/`` between folders.
            size: bytes that will come.

        Raises:
            BadFile: the listing has no such file, or it had another size.
            WriteFailed: the copy cannot be created.
        """
        _expect(self._current is None, "begin() before the end() of the file before")
        _expect(name not in self._begun, f"{name} was handed over already")
        state = self._listing.files.get(name)
        if state is None or state.size != size:
            found = "a file that was not there" if state is None else f"{size} bytes"
            raise _unstable(self.source / name, found, f"{state.size} bytes" if state else "no new files")
        self._begun.add(name)
        self._current = name, FileCopy(self.source / name, self.staging / name, state)

    def write(self, data: memoryview) -> None:
        """Take the next bytes of the file begun; the buffer may be reused when this returns.

        Raises:
            WriteFailed: the disk is full or refuses.
        """
        _, copy = self._under_way("write()")
        self._check()
        self._limit.wait(data.nbytes, self._check)
        copy.write(data, self._helpers)
        self._count(data.nbytes)
        self._report()

    def end(self, name: str) -> None:
        """Close the file begun; it becomes durable while the next one comes.

        Raises:
            BadFile: the source's file is another than when it was listed, or not all of it came.
            WriteFailed: the disk refuses, also for the file before.
        """
        begun, copy = self._under_way("end()")
        _expect(begun == name, f"end({name!r}) after begin({begun!r})")
        self._settle()
        self._current = None
        self._sealing = self._helpers.submit(self._seal, name, copy)

    def finish(self) -> Manifest:
        """Copy what has not been handed over, check that the source is as it was, and write the manifest.

        Raises:
            BadFile: a source file cannot be read, or the folder changed; the error names the file.
            WriteFailed: the disk is full or refuses.
        """
        _expect(self._current is None, "finish() before end()")
        self._settle()
        rest = [name for name in self._listing.files if name not in self._begun]
        for_each_file(self._copy, rest, workers=self._workers, tick=self._tick)
        if differs := changes(self._listing.files, list_folder(self.source).files):
            raise _unstable(self.source, str(differs), "a folder that nobody writes to")
        manifest = Manifest.of(self._done.values(), self._listing.folders)
        self._write_lists(manifest)
        self.close()
        return manifest

    def close(self) -> None:
        """End the helper threads and close what is open; ``finish()`` does it too."""
        self._helpers.shutdown(wait=True, cancel_futures=False)
        if self._current is not None:
            self._current[1].abandon()
            self._current = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _copy(self, name: str, stop: StopMark) -> None:
        source, state = self.source / name, self._listing.files[name]
        copy: FileCopy | None = None
        try:
            with source.open("rb", buffering=0) as handle:
                copy = FileCopy(source, self.staging / name, state)
                for block in read_blocks(handle):
                    self._limit.wait(len(block), stop.check)
                    stop.check()
                    copy.write(block)
                    self._count(len(block))
            self._seal(name, copy)
        except FileNotFoundError:
            raise _unstable(source, "no file any more", "a folder that nobody writes to") from None
        except OSError as error:
            raise read_failed(source, error) from None
        finally:
            if copy is not None:
                copy.abandon()

    def _seal(self, name: str, copy: FileCopy) -> None:
        try:
            status = copy.source.stat()
        except OSError as error:
            copy.abandon()
            raise read_failed(copy.source, error) from None
        now = FileState(status.st_size, status.st_mtime_ns)
        if now != copy.state:
            copy.abandon()
            raise _unstable(copy.source, f"{now.size} bytes of another time", f"{copy.state.size} bytes, as listed")
        self._done[name] = ArchivedFile(name, copy.state.size, copy.seal(), copy.state.mtime_ns)

    def _under_way(self, call: str) -> tuple[str, FileCopy]:
        if self._current is None:
            raise RuntimeError(f"{call} before begin()")
        return self._current

    def _settle(self) -> None:
        """Wait for the file handed over last to be durable."""
        if self._sealing is not None:
            sealing, self._sealing = self._sealing, None
            sealing.result()

    def _count(self, nbytes: int) -> None:
        with self._lock:
            self._copied += nbytes

    def _report(self) -> None:
        self._progress(self._copied, self._listing.nbytes)

    def _tick(self) -> None:
        self._check()
        self._report()

    def _write_lists(self, manifest: Manifest) -> None:
        try:
            for folder in reversed(self._listing.folders):
                sync_folder(self.staging / folder)
            for name, content in ((SIZES_NAME, manifest.sizes()), (SUMS_NAME, manifest.sums())):
                with atomic_file(self.staging / name) as handle:
                    handle.write(content)
            sync_folder(self.staging.parent)
        except OSError as error:
            raise write_failed(self.staging / SUMS_NAME, error) from error


def _expect(condition: bool, text: str) -> None:
    """Refuse calls out of order: an archive made of them would be wrong."""
    if not condition:
        raise RuntimeError(text)


def _list_source(source: Path) -> Listing:
    listing = list_folder(source)
    for name in (SUMS_NAME, SIZES_NAME):
        if name in listing.files:
            raise BadFile(
                str(source / name),
                found="a file called like an archive's manifest",
                expected="a raw folder",
                action="Rename it, or check that this is not an archive.",
            )
    return listing


def _prepare(source: Path, staging: Path, listing: Listing) -> None:
    if staging.resolve().is_relative_to(source.resolve()):
        raise BadInput(str(staging), found="a folder in the one to archive", expected="one outside of it")
    try:
        staging.mkdir(parents=True, exist_ok=True)
        if any(staging.iterdir()):
            raise BadInput(str(staging), found="a folder with files in it", expected="an absent or empty one")
        _check_room(staging, listing.nbytes)
        for folder in listing.folders:
            (staging / folder).mkdir()
    except OSError as error:
        raise write_failed(staging, error) from error


def _check_room(staging: Path, nbytes: int) -> None:
    """Refuse before a day's copy, not at its end."""
    free = shutil.disk_usage(staging).free
    if free < nbytes:
        raise WriteFailed(
            str(staging),
            found=f"{free / 1e9:.3f} GB free",
            expected=f"room for {nbytes / 1e9:.3f} GB",
            action="Make room on the archive's disk, then retry.",
        )


def _unstable(path: Path, found: str, expected: str) -> BadFile:
    return BadFile(
        str(path),
        found=found,
        expected=expected,
        action="The folder changed while it was archived; retry when the acquisition has ended.",
    )
