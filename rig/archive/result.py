"""What an archiver did."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from opticstream.core.text import storable
from opticstream.rig.archive.request import TargetName

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """One file that is not at one target, or at none."""

    path: str
    target: str | None
    """None: the source itself cannot be used."""
    reason: str
    pending: bool = False
    """Permission was denied at the backup only: nothing is wrong with the file, and the next run may succeed."""

    def __str__(self) -> str:
        return storable(f"{self.path!r}{f' ({self.target})' if self.target else ''}: {self.reason}")


@dataclass(frozen=True)
class ArchiveResult:
    """What an archiver did, and what is not archived."""

    folders: Mapping[TargetName, Path]
    """Of the session at each target."""
    files: int
    """Files of the session that were asked for."""
    nbytes: int
    copied: int
    """Files that were copied, to one target or more; for a dry run: that would be."""
    copied_bytes: int
    """Bytes written to all targets together."""
    seconds: float
    problems: tuple[Problem, ...] = ()
    removed: int = 0
    """Originals that were removed."""
    superseded: Mapping[str, str] = field(default_factory=dict)
    """Path at a target → name to which something of others was moved aside there."""
    dry_run: bool = False

    @property
    def verified(self) -> bool:
        """Whether everything asked for is at every target, read back and compared."""
        return not self.problems and not self.dry_run

    @property
    def only_pending(self) -> bool:
        """Whether the backup's permissions are all that is in the way."""
        return bool(self.problems) and all(problem.pending for problem in self.problems)

    @property
    def message(self) -> str:
        """Return what people read."""
        where = " and ".join(map(str, self.folders.values()))
        size = f"{self.files} files, {self.nbytes / 1e6:.1f} MB"
        if self.dry_run:
            return f"{size}: {self.copied} files, {self.copied_bytes / 1e6:.1f} MB would be copied to {where}"
        rate = f" at {self.copied_bytes / 1e6 / self.seconds:.0f} MB/s" if self.seconds > 0 else ""
        done = f"{self.copied} copied, {self.copied_bytes / 1e6:.1f} MB written{rate}"
        removed = f"; {self.removed} originals removed" if self.removed else ""
        if not self.problems:
            return f"{size} verified in {where}; {done}{removed}"
        paths = {problem.path for problem in self.problems}
        word = "waiting for the backup's permissions" if self.only_pending else "not archived"
        named = "; ".join(map(str, self.problems[:_NAMED]))
        more = f" and {len(self.problems) - _NAMED} more" if len(self.problems) > _NAMED else ""
        return f"{len(paths)} of {self.files} files {word}: {named}{more}. {done}{removed}"
