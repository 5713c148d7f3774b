"""Acquisitions that outlived their launcher."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from opticstream.core.errors import BadFile
from opticstream.core.process_identity import default_host_name, process_birth
from opticstream.rig.engine.acquisition_record import FILE_NAME, METADATA_FOLDER, AcquisitionRecord, record_file
from opticstream.rig.engine.process_tree import ProcessTree

_log = logging.getLogger("opticstream.rig")


@dataclass(frozen=True, slots=True)
class Orphan:
    """A living acquisition whose launcher is gone."""

    file: Path
    """Its record."""

    record: AcquisitionRecord
    pids: tuple[int, ...]
    """Its processes; empty when it runs on another host and cannot be asked."""

    @property
    def elsewhere(self) -> bool:
        """Whether it runs, or ran, on another host."""
        return not self.pids

    def __str__(self) -> str:
        where = (
            f"on {self.record.host}, which cannot be asked from here" if self.elsewhere else f"processes {self.pids}"
        )
        since = self.record.started.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        return f"{self.record.label} started {since} ({where}; {self.file.parent.parent})"


def find_orphan(session_folder: Path, host: str | None = None, metadata_folder: Path | None = None) -> Orphan | None:
    """Return the acquisition in a session folder that runs on although its launcher has died.

    None when there is no record, when its launcher lives (the session is under way), or when none of its processes
    lives; such a record is left where it is, the session's next end removes it. A process that has got the recorded
    number since is never taken for it. An acquisition of another host is returned with no processes: nobody here can
    say whether it lives.

    Args:
        session_folder: of the earlier launch.
        host: this host's name; None: as `default_host_name` says.
        metadata_folder: of the launcher, where several share the session's folder; None: ``launcher_metadata``.

    Raises:
        BadFile: the record cannot be read.
    """
    file = record_file(session_folder, metadata_folder)
    record = AcquisitionRecord.read(file)
    if record is None:
        return None
    if record.host != (host or default_host_name()):
        return Orphan(file, record, ())
    if process_birth(record.launcher_pid) == record.launcher_birth:
        return None
    pids = tuple(process.pid for process in _tree(record).members())
    return Orphan(file, record, pids) if pids else None


def find_orphans(output_root: Path, host: str | None = None) -> Iterator[Orphan]:
    """Yield the orphans of this host in all session folders directly below a folder; unreadable records are warned of."""
    for file in sorted(output_root.glob(f"*/{METADATA_FOLDER}*/{FILE_NAME}")):
        try:
            orphan = find_orphan(file.parent.parent, host, file.parent)
        except BadFile as error:
            _log.warning("%s", error)
            continue
        if orphan and not orphan.elsewhere:
            yield orphan


def end_orphan(orphan: Orphan, grace_s: float = 10.0) -> tuple[int, ...]:
    """End an orphan, gently first, in at most ``grace_s`` + 8 s; remove its record when all is ended.

    Args:
        orphan: as `find_orphan` gave it; whether its processes are still the same is looked at again.
        grace_s: seconds it has to end by itself.

    Returns:
        Processes that could not be ended.

    Raises:
        BadFile: it runs on another host.
    """
    if orphan.elsewhere:
        raise BadFile(
            str(orphan.file),
            found=f"an acquisition on {orphan.record.host}",
            expected="one of this host",
            action=f"End it there: opticstream launch finds it on {orphan.record.host}.",
        )
    left = _tree(orphan.record).end(lambda timeout_s: _await(orphan.record, timeout_s), grace_s)
    if not left:
        orphan.file.unlink(missing_ok=True)
        _log.warning("Ended %s", orphan)
    return tuple(process.pid for process in left)


def _tree(record: AcquisitionRecord) -> ProcessTree:
    return ProcessTree(record.pid if record.birth else None, record.birth, record.mark)


def _await(record: AcquisitionRecord, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while record.pid is not None and process_birth(record.pid) == record.birth and time.monotonic() < deadline:
        time.sleep(0.02)
