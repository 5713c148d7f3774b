"""Copies a session's folder to one or two destinations and proves that the copies are what was read."""

import contextlib
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from opticstream.core.errors import BadFile, BadInput, OpticstreamError, WriteFailed
from opticstream.core.file_threads import StopMark, for_each_file
from opticstream.core.files import is_unfinished
from opticstream.core.listing import FileState, list_folder
from opticstream.rig.archive.batch import BatchCopy, Job, Outcome, batches, compare_copy
from opticstream.rig.archive.journal import Journal, Record, last_run
from opticstream.rig.archive.plan import Doubt, Plan, make_plan
from opticstream.rig.archive.removal import remove_originals
from opticstream.rig.archive.request import ArchiveRequest, TargetName
from opticstream.rig.archive.result import ArchiveResult, Problem
from opticstream.rig.archive.selection import always_archived, selector
from opticstream.rig.archive.summary import write_summary
from opticstream.rig.archive.target import Target, concerns_permission, discard, disk_is_full

log = logging.getLogger("opticstream.rig.archive")
_BATCH_FILES, _BATCH_BYTES = 64, 32 << 20
_TELL_EVERY_S = 10.0


def archive_session(request: ArchiveRequest, *, check: Callable[[], object] | None = None) -> ArchiveResult:
    """Copy what is not at the targets yet, read it back, and say what is not archived.

    It may be interrupted at any moment, also by SIGKILL or a power cut, and run again: what is archived is kept, what
    was under way is done again, and nothing is left under a temporary name. A file counts as archived when its copy
    has been made durable, read back from the disk, compared with what was read from the source, and has its name.
    What goes wrong with one file stops no other.

    Args:
        request: what, and where to.
        check: called about ten times a second; what it raises ends the copying.

    Raises:
        BadInput: another archiver is at work on this session.
        BadFile: the session's folder cannot be listed.
    """
    if request.dry_run:
        return _Run(request, check).look()
    with _alone(request):
        return _Run(request, check).archive()


def refresh_metadata(
    session_folder: Path, manifest: Path | None = None, *, check: Callable[[], object] | None = None
) -> ArchiveResult | None:
    """Archive what the launcher wrote after the archiver had ended, to where the last run put the session.

    Args:
        session_folder: the session's folder.
        manifest: as in the request.
        check: as for :func:`archive_session`.

    Returns:
        None if the session has never been archived.

    Raises:
        BadInput: another archiver is at work on this session.
    """
    if not session_folder.is_dir():
        return None
    probe = ArchiveRequest(session_folder, {"network": session_folder.parent / ".none"}, manifest=manifest)
    found = last_run(probe.journal_path)
    if found is None:
        return None
    algorithm, roots = found
    names: tuple[TargetName, ...] = ("network", "backup")
    targets = {name: Path(roots[name]) for name in names if name in roots}
    return archive_session(
        replace(probe, targets=targets, algorithm=algorithm, metadata_only=True, retry_delay_s=0.1), check=check
    )


class _Run:
    """One run of an archiver."""

    def __init__(self, request: ArchiveRequest, check: Callable[[], object] | None) -> None:
        self._request, self._check = request, check or (lambda: None)
        self._began = time.monotonic()
        self._journal = Journal(request.journal_path, request)
        self._targets = [Target(name, root, self._journal) for name, root in request.targets.items()]
        self._problems: dict[tuple[str, str | None], Problem] = {}
        self._verified: dict[str, Record] = {}
        self._copied: set[str] = set()
        self._copied_bytes = 0
        self._removed = 0
        self._passed, self._lock, self._told = 0, threading.Lock(), self._began

    def look(self) -> ArchiveResult:
        """Say what there would be to copy."""
        self._journal.open(read_only=True)
        files, _, plan = self._plan(clean=False)
        jobs = [*plan.jobs, *(doubt.job for doubt in plan.doubts), *plan.live]
        self._copied = {job.path for job in jobs}
        self._copied_bytes = sum(job.size * len(job.targets) for job in jobs)
        for job in jobs:
            log.info("would be copied: %r to %s", job.path, " and ".join(target.name for target in job.targets))
        return self._result(plan, files)

    def archive(self) -> ArchiveResult:
        """Archive."""
        request = self._request
        self._journal.open()
        self._tidy()
        with contextlib.closing(self._journal):
            with ThreadPoolExecutor(request.workers, thread_name_prefix="opticstream-archive") as helper:
                copier = BatchCopy(request.session_folder, request.algorithm, self._journal, helper, self._count)
                files, empty, plan = self._plan(clean=True)
                self._warn_of_room(plan)
                self._copy_all(copier, [*plan.jobs, *self._settle(plan.doubts)])
                self._check_agreement()
                self._make_empty(empty)
                self._copy_all(copier, plan.live, rounds=1)
                if request.remove_source:
                    self._remove(plan)
                result = self._result(plan, files)
                try:
                    write_summary(request, self._journal, files, result)
                except WriteFailed as error:
                    log.warning("%s", error)
                own = [path for path in request.own_files() if (request.session_folder / path).is_file()]
                sizes = {path: (request.session_folder / path).stat().st_size for path in own}
                self._copy_all(
                    copier,
                    [Job(path, size, tuple(self._targets), True) for path, size in sizes.items()],
                    rounds=1,
                )
                return self._result(plan, files)

    def _tidy(self) -> None:
        """Delete what a kill left of the archiver's own files; under the lock nobody else is writing them."""
        for own in (self._request.manifest_path, self._request.journal_path):
            with contextlib.suppress(OSError):
                for path in own.parent.iterdir():
                    if path.name.startswith(f".{own.name}.") and is_unfinished(path.name):
                        discard(path)

    def _plan(self, *, clean: bool) -> tuple[dict[str, FileState], list[str], Plan]:
        """Return the session's files, its empty folders, and what there is to do."""
        request = self._request

        def refused(path: str, error: BadFile) -> None:
            self._problems[path, None] = Problem(path, None, _reason(error))

        listing = list_folder(request.session_folder, refused=refused)
        own = set(request.own_files())
        files = {path: state for path, state in listing.files.items() if not (path in own or _is_unfinished(path))}
        for target in self._targets:
            target.look(clean=clean)
        plan = make_plan(request, files, self._journal, self._targets)
        selected = selector(request.include, request.exclude)
        full = {path.rpartition("/")[0] for path in (*listing.files, *listing.folders)}
        empty = [folder for folder in listing.folders if folder not in full and selected(folder)]
        return files, [] if request.metadata_only else empty, plan

    def _settle(self, doubts: Sequence[Doubt]) -> list[Job]:
        """Compare what may be archived already; return what is to be copied after all."""
        request = self._request

        def compare(doubt: Doubt, stop: StopMark) -> Job | None:
            job = doubt.job
            try:
                record, same = compare_copy(
                    request.session_folder, doubt.record, job.path, doubt.targets, request.algorithm, stop
                )
            except BadFile:
                return job  # copying says what is wrong, after it has tried again
            self._journal.done([(record, {target.name: time_ns for target, time_ns in same.items()})])
            rest = tuple(target for target in job.targets if target not in same)
            if not rest:
                self._verified[job.path] = record
                return None
            return Job(job.path, job.size, rest)

        found = for_each_file(compare, doubts, workers=request.workers, tick=self._tick)
        return [job for job in found if job is not None]

    def _copy_all(self, copier: BatchCopy, jobs: Sequence[Job], *, rounds: int | None = None) -> None:
        """Copy, and what failed again, as often as it is asked for; other files have their turn in between."""
        retries = self._request.max_retries if rounds is None else rounds - 1
        for left in range(retries, -1, -1):
            groups = batches(jobs, files=_BATCH_FILES, nbytes=_BATCH_BYTES)
            done = for_each_file(copier.run, groups, workers=self._request.workers, tick=self._tick)
            failed = [outcome for group in done for outcome in group if self._note(outcome)]
            jobs = [job for outcome in failed if (job := self._again(outcome)) is not None] if left else []
            if not jobs:
                return
            log.warning(
                "%d files are not archived yet (%s); trying again in %g s (%d left)",
                len(jobs),
                next(iter(failed[0].failures.values())),
                self._request.retry_delay_s,
                left,
            )
            self._pause(self._request.retry_delay_s)
            for target in self._targets:
                if target.lost is not None and not disk_is_full(target.lost):
                    target.lost = None

    def _note(self, outcome: Outcome) -> bool:
        """Take an outcome to the books; return whether something failed."""
        path = outcome.job.path
        for name in [None, *(target.name for target in outcome.job.targets)]:
            self._problems.pop((path, name), None)
        if outcome.written:
            self._copied_bytes += outcome.written
        if outcome.record is not None:
            self._copied.add(path)
            self._verified[path] = outcome.record
        for where, error in outcome.failures.items():
            pending = where == "backup" and concerns_permission(error)
            self._problems[path, where] = Problem(path, where, _reason(error), pending)
        return bool(outcome.failures)

    def _again(self, outcome: Outcome) -> Job | None:
        """Return what may succeed at another try: not where permission is denied or the disk is full."""
        job, failures = outcome.job, outcome.failures
        if None in failures:
            return None if concerns_permission(failures[None]) else job
        hopeful = tuple(
            target
            for target in job.targets
            if (error := failures.get(target.name)) and not (concerns_permission(error) or disk_is_full(error))
        )
        return replace(job, targets=hopeful) if hopeful else None

    def _check_agreement(self) -> None:
        """Find files that changed between their two copies, each of which is right for its own time."""
        failed = {path for path, _ in self._problems}
        for path in self._verified.keys() - failed:
            copies = (self._journal.copies(target.name).get(path) for target in self._targets)
            if len({copy.record.checksum for copy in copies if copy is not None}) > 1:
                reason = "changed between its copies; archive again when nobody writes to it"
                self._problems[path, None] = Problem(path, None, reason)

    def _make_empty(self, folders: Sequence[str]) -> None:
        for target in self._targets:
            for folder in folders:
                try:
                    target.make(folder)
                except WriteFailed as error:
                    pending = target.name == "backup" and concerns_permission(error)
                    self._problems[folder, target.name] = Problem(folder, target.name, _reason(error), pending)

    def _remove(self, plan: Plan) -> None:
        unsafe = {path for path, _ in self._problems}
        safe = {path: self._verified[path] for path in plan.wanted if path in self._verified and path not in unsafe}
        self._removed = remove_originals(self._request.session_folder, safe, folders=self._request.remove_empty_folders)

    def _warn_of_room(self, plan: Plan) -> None:
        """Say before a night's copying that it will not fit; what fits is archived all the same."""
        for target in self._targets:
            needed = sum(job.size for job in (*plan.jobs, *plan.live) if target in job.targets)
            folder = next((path for path in (target.root, *target.root.parents) if path.is_dir()), None)
            with contextlib.suppress(OSError):
                free = shutil.disk_usage(folder).free if folder else needed
                if free < needed:
                    log.warning(
                        "%s: %.3f GB free, %.3f GB needed; not all will fit", target.root, free / 1e9, needed / 1e9
                    )

    def _count(self, nbytes: int) -> None:
        with self._lock:
            self._passed += nbytes

    def _tick(self) -> None:
        self._check()
        now = time.monotonic()
        if now - self._told >= _TELL_EVERY_S:
            self._told = now
            rate = self._passed / 1e6 / (now - self._began)
            log.info("archiving: %.0f MB read and read back, %.0f MB/s", self._passed / 1e6, rate)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._check()
            time.sleep(min(left, 0.1))

    def _result(self, plan: Plan, files: dict[str, FileState]) -> ArchiveResult:
        lost = {path for path, _ in self._problems} - plan.wanted.keys()
        return ArchiveResult(
            folders=dict(self._request.targets),
            files=len(plan.wanted) + len(lost),
            nbytes=sum(state.size for state in plan.wanted.values()),
            copied=len(self._copied - set(self._request.own_files())),
            copied_bytes=self._copied_bytes,
            seconds=time.monotonic() - self._began,
            problems=tuple(self._problems[key] for key in sorted(self._problems, key=str)),
            removed=self._removed,
            superseded={path: name for target in self._targets for path, name in target.superseded.items()},
            dry_run=self._request.dry_run,
        )


@contextlib.contextmanager
def _alone(request: ArchiveRequest) -> Iterator[None]:
    """Keep another archiver away from this session for the time of the body.

    Raises:
        BadInput: one is at work.
    """
    lock = FileLock(request.lock_path)
    try:
        request.lock_path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise BadInput(
            str(request.session_folder),
            found="another archiver at work on it",
            expected="one at a time",
            action="Wait until it has ended.",
        ) from None
    except OSError as error:  # a full disk is why people archive
        log.warning("%s: no lock (%s); see that no other archiver runs", request.lock_path, error.strerror or error)
        yield
        return
    try:
        yield
    finally:
        lock.release()
        if os.name == "nt":
            with contextlib.suppress(OSError):
                request.lock_path.unlink(missing_ok=True)


def _is_unfinished(path: str) -> bool:
    """Say whether a file of the launcher's is being written under a temporary name, or was when it was killed."""
    folder, _, name = path.rpartition("/")
    return is_unfinished(name) and (not folder or always_archived(path))


def _reason(error: OpticstreamError) -> str:
    return str(error)
