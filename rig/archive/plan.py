"""What is still to be done: the session's files against the journal and against what is at the targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opticstream.core.listing import FileState
from opticstream.rig.archive.batch import Job
from opticstream.rig.archive.journal import Copy, Journal, Record
from opticstream.rig.archive.request import ArchiveRequest
from opticstream.rig.archive.selection import always_archived, is_live, selector
from opticstream.rig.archive.target import Target

_COARSEST_CLOCK_NS = 2_000_000_000
"""Steps of the coarsest file times (FAT). A file read within one step of its last change may have changed again
without another time, so that its content must be looked at."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A file with a copy of its size whose content must be compared before anything is copied."""

    job: Job
    targets: tuple[Target, ...]
    """Where the copy is in doubt; at the job's other targets it is missing or certainly another."""

    record: Record | None
    """Of the source, if that has not changed since; None: it is read."""


@dataclass(frozen=True)
class Plan:
    """What one run has to do."""

    wanted: Mapping[str, FileState]
    """Every file asked for, by path."""
    jobs: Sequence[Job]
    doubts: Sequence[Doubt]
    live: Sequence[Job]
    """Still being written: taken last."""


def make_plan(
    request: ArchiveRequest, files: Mapping[str, FileState], journal: Journal, targets: Sequence[Target]
) -> Plan:
    """Return what there is to do.

    Args:
        request: what is asked for.
        files: of the session, as listed; without the archiver's own.
        journal: what earlier runs did.
        targets: with what is there.
    """
    selected = selector(request.include, request.exclude)
    wanted = {
        path: state
        for path, state in files.items()
        if always_archived(path) or (not request.metadata_only and selected(path))
    }
    jobs: list[Job] = []
    doubts: list[Doubt] = []
    live: list[Job] = []
    for path, state in wanted.items():
        if is_live(path) or path in request.more_live:
            live.append(Job(path, state.size, tuple(targets), snapshot=True))
            continue
        missing: list[Target] = []
        doubtful: list[Target] = []
        for target in targets:
            copy = journal.copies(target.name).get(path)
            there = target.present.get(path)
            if there is None or there.size != state.size or not request.skip_completed:
                missing.append(target)
            elif request.reverify or request.remove_source or not _as_recorded(copy, state, there):
                doubtful.append(target)
        if doubtful:
            job = Job(path, state.size, (*missing, *doubtful))
            doubts.append(Doubt(job, tuple(doubtful), _unchanged(journal, doubtful, path, state)))
        elif missing:
            jobs.append(Job(path, state.size, tuple(missing)))
    return Plan(wanted, jobs, doubts, live)


def _as_recorded(copy: Copy | None, state: FileState, there: FileState) -> bool:
    """Say whether sizes and times prove that nothing changed on either side."""
    return copy is not None and copy.mtime_ns == there.mtime_ns and _still(copy.record, state)


def _unchanged(journal: Journal, targets: Sequence[Target], path: str, state: FileState) -> Record | None:
    for target in targets:
        copy = journal.copies(target.name).get(path)
        if copy is not None and _still(copy.record, state):
            return copy.record
    return None


def _still(record: Record, state: FileState) -> bool:
    certain = record.mtime_ns + _COARSEST_CLOCK_NS < record.read_at_ns
    return certain and (record.size, record.mtime_ns) == tuple(state)
