"""Some files on their way to their targets: read once, made durable together, read back, and only then named."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path

from opticstream.core.checksum import Checksum, new_checksum
from opticstream.core.errors import BadFile, OpticstreamError, WriteFailed
from opticstream.core.file_blocks import hash_from_disk, read_blocks
from opticstream.core.file_threads import StopMark
from opticstream.core.files import read_failed
from opticstream.core.listing import FileState
from opticstream.core.new_file import NewFile
from opticstream.rig.archive.journal import Journal, Record
from opticstream.rig.archive.target import Target, discard

_WORTH_A_THREAD = 1 << 20
"""Bytes from which hashing and writing are faster beside each other than one after the other."""


@dataclass(frozen=True, slots=True)
class Job:
    """One file to copy."""

    path: str
    size: int
    """As listed, bytes."""
    targets: tuple[Target, ...]
    snapshot: bool = False
    """Take it as it is, though it is being written."""


@dataclass(slots=True)
class Outcome:
    """What became of a job."""

    job: Job
    record: Record | None = None
    failures: dict[str | None, OpticstreamError] = field(default_factory=dict)
    """By target; None: the source."""
    written: int = 0
    """Bytes of all verified copies."""


@dataclass(slots=True)
class _Copied:
    outcome: Outcome
    record: Record
    files: dict[Target, NewFile]


class BatchCopy:
    """Copies files; a batch is what becomes durable at one time.

    Args:
        source: the session's folder.
        algorithm: of the checksum.
        journal: where it is written down.
        helper: runs what is worth a thread of its own; its tasks wait for nothing.
        count: called with the bytes read and read back, in any thread.
    """

    def __init__(
        self, source: Path, algorithm: str, journal: Journal, helper: Executor, count: Callable[[int], object]
    ) -> None:
        self._source, self._algorithm, self._journal = source, algorithm, journal
        self._helper, self._count = helper, count

    def run(self, jobs: Sequence[Job], stop: StopMark) -> list[Outcome]:
        """Copy some files; what fails is in the outcome, only a stop or a defect is raised."""
        outcomes = [Outcome(job) for job in jobs]
        copied: list[_Copied] = []
        try:
            for outcome in outcomes:
                stop.check()
                try:
                    copied.append(self._copy(outcome, stop))
                except BadFile as error:
                    outcome.failures[None] = error
            self._seal(copied)
            for one in copied:
                self._compare(one, stop)
            self._publish([one for one in copied if one.files])
        finally:
            for one in copied:
                for target in list(one.files):
                    self._drop(one, target)
        return outcomes

    def _copy(self, outcome: Outcome, stop: StopMark) -> _Copied:
        job = outcome.job
        source = self._source / job.path
        files: dict[Target, NewFile] = {}
        try:
            with source.open("rb", buffering=0) as handle:
                before, read_at_ns = os.fstat(handle.fileno()), time.time_ns()
                for target in job.targets:
                    try:
                        files[target] = NewFile(target.temporary(job.path))
                    except WriteFailed as error:
                        outcome.failures[target.name] = target.noticed(error)
                blocks = read_blocks(handle) if files else iter(())
                checksum, size = self._stream(blocks, before.st_size, outcome, files, stop)
            record = Record(job.path, size, before.st_mtime_ns, checksum, read_at_ns, job.snapshot)
            if files and not job.snapshot:
                _check_unchanged(source, before, size)
            return _Copied(outcome, record, files)
        except BaseException as error:
            for file in files.values():
                file.abandon()
                discard(file.path)
            if isinstance(error, OSError):
                raise _unreadable(source, error) from error
            raise

    def _stream(
        self,
        blocks: Iterator[memoryview],
        length: int,
        outcome: Outcome,
        files: dict[Target, NewFile],
        stop: StopMark,
    ) -> tuple[str, int]:
        """Hand a file's blocks to checksum and copies; of a file that grows, what it had at the start."""
        digest, size = new_checksum(self._algorithm), 0
        for block in blocks:
            stop.check()
            data = block[: length - size] if outcome.job.snapshot else block
            self._take(data, digest, outcome, files)
            size += data.nbytes
            self._count(data.nbytes)
            if not files or (outcome.job.snapshot and size >= length):
                break
        return digest.hexdigest(), size

    def _take(self, data: memoryview, digest: Checksum, outcome: Outcome, files: dict[Target, NewFile]) -> None:
        beside: dict[Target | None, Future[None]] = {}
        targets = list(files)
        if data.nbytes < _WORTH_A_THREAD:
            digest.update(data)
        else:
            beside[None] = self._helper.submit(digest.update, data)
            beside |= {target: self._helper.submit(files[target].append, data) for target in targets[1:]}
        try:
            for target in targets:
                try:
                    if target in beside:
                        beside[target].result()
                    else:
                        files[target].append(data)
                except WriteFailed as error:
                    outcome.failures[target.name] = target.noticed(error)
                    file = files.pop(target)
                    file.abandon()
                    discard(file.path)
        finally:
            for future in beside.values():
                future.exception()

    def _seal(self, copied: Sequence[_Copied]) -> None:
        for one in copied:
            for file in one.files.values():
                file.start_writing_back()
        for one in copied:
            for target, file in list(one.files.items()):
                try:
                    file.seal(one.record.mtime_ns)
                except WriteFailed as error:
                    self._refuse(one, target, target.noticed(error))

    def _compare(self, one: _Copied, stop: StopMark) -> None:
        """Read the copies back and drop those that are not what was read from the source."""

        def seen(nbytes: int) -> None:
            stop.check()
            self._count(nbytes)

        for target, file in list(one.files.items()):
            try:
                found = hash_from_disk(file.path, seen, algorithm=self._algorithm)
            except OSError as error:
                self._refuse(one, target, target.failed(target.root / one.record.path, error))
                continue
            if found != (one.record.size, one.record.checksum):
                self._refuse(one, target, differs(target, one.record, found))

    def _publish(self, copied: Sequence[_Copied]) -> None:
        self._journal.intend((one.record, [target.name for target in one.files]) for one in copied)
        named: list[tuple[_Copied, Target, int]] = []
        for one in copied:
            for target, file in list(one.files.items()):
                try:
                    named.append((one, target, target.publish(file.path, one.record)))
                    del one.files[target]
                except WriteFailed as error:
                    self._refuse(one, target, error)
        for target in {target for _, target, _ in named}:
            paths = {one.record.path for one, its, _ in named if its is target}
            try:
                target.sync(paths)
            except WriteFailed as error:
                for one, its, _ in named:
                    if its is target:
                        one.outcome.failures[target.name] = error
        times: dict[str, tuple[Record, dict[str, int]]] = {}
        for one, target, mtime_ns in named:
            if target.name not in one.outcome.failures:
                one.outcome.record = one.record
                one.outcome.written += one.record.size
                times.setdefault(one.record.path, (one.record, {}))[1][target.name] = mtime_ns
        self._journal.done(times.values())

    def _refuse(self, one: _Copied, target: Target, error: OpticstreamError) -> None:
        one.outcome.failures[target.name] = error
        self._drop(one, target)

    @staticmethod
    def _drop(one: _Copied, target: Target) -> None:
        file = one.files.pop(target)
        file.abandon()
        discard(file.path)


def compare_copy(
    source: Path, record: Record | None, path: str, targets: Sequence[Target], algorithm: str, stop: StopMark
) -> tuple[Record, dict[Target, int]]:
    """Return a file's record, and the targets where its copy has that content, with the time of each copy.

    Args:
        source: the session's folder.
        record: of the file, if it has not changed since; else None, and it is read.
        path: which file.
        targets: where there is a copy of the same size.
        algorithm: of the checksum.
        stop: ends it.

    Raises:
        BadFile: the source cannot be read, or changes while it is read.
    """
    file = source / path
    if record is None:
        try:
            before, read_at_ns = file.stat(), time.time_ns()
            size, checksum = hash_from_disk(file, lambda _: stop.check(), algorithm=algorithm)
            _check_unchanged(file, before, size)
        except OSError as error:
            raise _unreadable(file, error) from error
        record = Record(path, size, before.st_mtime_ns, checksum, read_at_ns)
    same: dict[Target, int] = {}
    for target in targets:
        copy = target.root / path
        try:
            found = hash_from_disk(copy, lambda _: stop.check(), algorithm=algorithm)
            if found == (record.size, record.checksum):
                same[target] = copy.stat().st_mtime_ns
        except OSError:
            continue  # it is copied again, which says what is wrong
    return record, same


def differs(target: Target, record: Record, found: tuple[int, str]) -> WriteFailed:
    """Return the error that says that a copy read back is not what was written."""
    return WriteFailed(
        str(target.root / record.path),
        found=f"{found[0]} bytes with checksum {found[1]} when read back",
        expected=f"{record.size} bytes with checksum {record.checksum}",
        action="Check the disk, then retry.",
    )


def _check_unchanged(source: Path, before: os.stat_result, size: int) -> None:
    after = source.stat()
    then, now = FileState(before.st_size, before.st_mtime_ns), FileState(after.st_size, after.st_mtime_ns)
    if then == now and size == then.size and before.st_ino == after.st_ino:
        return
    raise BadFile(
        str(source),
        found="a file that changed while it was read",
        expected="one that nobody writes to",
        action="End what writes to it, then archive again.",
    )


def _unreadable(source: Path, error: OSError) -> BadFile:
    if isinstance(error, FileNotFoundError):
        return BadFile(str(source), found="no file any more", expected="a folder that nobody writes to")
    return read_failed(source, error)


def batches(jobs: Sequence[Job], *, files: int, nbytes: int) -> list[list[Job]]:
    """Return the jobs in groups of at most so many files and bytes; a bigger file is alone."""
    found: list[list[Job]] = []
    room = 0
    for job in jobs:
        if not found or len(found[-1]) >= files or job.size > room:
            found.append([])
            room = nbytes
        found[-1].append(job)
        room -= job.size
    return found
