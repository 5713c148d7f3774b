"""What one pass of a watcher found and did."""

from dataclasses import dataclass, field

from opticstream.watch.ready_unit import ReadyUnit


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the folder that keeps a file or a unit from being taken."""

    where: str
    """The file, folder, unit or mosaic it is about."""
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


@dataclass(frozen=True, slots=True)
class IncompleteUnit:
    """A batch some of whose files are there."""

    source_mosaic: int
    batch: int
    missing_tiles: tuple[int, ...]
    """Tiles that lack a file, ascending; of a tile saved as two files one may be there."""
    missing_files: int
    expected_files: int

    def __str__(self) -> str:
        tiles = ", ".join(map(str, self.missing_tiles[:8])) + (" …" if len(self.missing_tiles) > 8 else "")
        return (
            f"mosaic {self.source_mosaic} batch {self.batch}: {self.expected_files - self.missing_files} of "
            f"{self.expected_files} files, missing tiles {tiles}"
        )


@dataclass(frozen=True, slots=True)
class IncompleteStrip:
    """A strip's folder that does not hold enough yet."""

    folder: str
    """Its name."""
    reason: str

    def __str__(self) -> str:
        return f"{self.folder}: {self.reason}"


@dataclass(frozen=True, slots=True)
class PassReport:
    """One pass in numbers; units are batches or strips. Counts from ``ready`` on are of this pass alone."""

    seen: int = 0
    """Batches with at least one file in the folder; strips with a folder."""
    waiting: int = 0
    """Complete units not yet stable."""
    incomplete: int = 0
    """Units that lack files."""
    ready: int = 0
    """Units that could be taken."""
    registered: int = 0
    """Units the gate accepted."""
    skipped: int = 0
    """Units the gate refused."""
    dispatched: int = 0
    failed: int = 0
    """Units whose gate or dispatch raised."""
    remaining: int = 0
    """Ready units still to be dispatched: put off while the API is away, or backfill."""
    more: bool = False
    """Whether the next pass should follow at once, for backfill."""
    files: int = 0
    """Tile files in the folder; files of the strips that were looked into."""
    seconds: float = 0.0
    """How long the pass took, wall clock."""
    problems: int = 0
    problem_list: tuple[Problem, ...] = field(default=(), repr=False)
    """Every problem that stands, new or not."""
    incomplete_units: tuple[IncompleteUnit | IncompleteStrip, ...] = field(default=(), repr=False)
    would_dispatch: tuple[ReadyUnit, ...] = field(default=(), repr=False)
    """What a dry run would have offered to the gate."""
    folder_error: str = ""
    """Why the folder could not be read in this pass; the other numbers are then those of the last one."""


def is_settled(report: PassReport) -> bool:
    """Return whether nothing waits for stability and everything ready is dispatched: the end of ``--once``."""
    return not (report.waiting or report.remaining or report.more or report.folder_error)
