"""Is an archive what was copied, byte for byte? The answer decides whether raw data may go, so it is read from the disk."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from opticstream.core.errors import BadFile
from opticstream.core.file_blocks import hash_from_disk
from opticstream.core.file_threads import StopMark, for_each_file
from opticstream.core.files import read_failed
from opticstream.core.listing import Listing, list_folder
from opticstream.imaging.archive.manifest import SIZES_NAME, SUMS_NAME, ArchivedFile, Manifest, read_lists

Side = Literal["archive", "source"]
Kind = Literal["missing", "extra", "size", "content", "unreadable"]
_NAMED = 5


class Difference(NamedTuple):
    """One file that is not as the manifest says."""

    side: Side
    path: str
    """Relative to that side's folder."""
    kind: Kind
    found: str = ""
    expected: str = ""

    def __str__(self) -> str:
        detail = f" (found {self.found}, expected {self.expected})" if self.found else ""
        return f"{self.side} {self.path}: {self.kind}{detail}"


@dataclass(frozen=True, slots=True)
class ArchiveVerification:
    """What was compared and what differs; ``verified`` is the answer."""

    folder: str
    """The archive."""
    manifest_sha256: str
    """SHA-256 of ``SHA256SUMS``: stands for the whole content."""
    files: int
    nbytes: int
    source: str | None
    """The raw folder, when it was read again too."""
    differences: tuple[Difference, ...]

    @property
    def verified(self) -> bool:
        """Whether every file is there with the content it had when it was copied, and nothing else."""
        return not self.differences

    def of_kind(self, kind: Kind, side: Side = "archive") -> list[str]:
        """Return the paths of one side that are missing, extra, of another size, of other content, or unreadable."""
        return [item.path for item in self.differences if (item.side, item.kind) == (side, kind)]

    def require(self) -> "ArchiveVerification":
        """Return this when verified.

        Raises:
            BadFile: it is not; the first differences are named.
        """
        if self.differences:
            more = len(self.differences) - _NAMED
            raise BadFile(
                self.folder,
                found="; ".join(map(str, self.differences[:_NAMED])) + (f"; and {more} more" if more > 0 else ""),
                expected=f"the {self.files} files of its manifest",
                action="Keep the raw data, and archive the folder again.",
            )
        return self

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON takes it, with ``verified``."""
        return {"verified": self.verified} | asdict(self) | {"differences": [d._asdict() for d in self.differences]}


def verify_archive(
    folder: Path,
    *,
    source: Path | None = None,
    expected_sha256: str | None = None,
    workers: int = 2,
    check: Callable[[], object] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> ArchiveVerification:
    """Read an archive back from the disk and compare every byte with its manifest.

    The manifest's checksums are of the bytes read from the source for the copy, so they are the source's side of the
    comparison, and this reading is the archive's. With ``source`` that is read again, too.

    Args:
        folder: the archive, published or not.
        source: raw folder to read again and compare as well.
        expected_sha256: the manifest's checksum as it was kept elsewhere; it betrays a manifest changed with its files.
        workers: files read at a time.
        check: called about ten times a second; what it raises ends the reading.
        progress: called with (bytes read, bytes in all) in the calling thread.

    Raises:
        BadFile: the folder is no archive, its lists cannot be read or do not fit each other, or it holds a link.
    """
    manifest, recorded = read_lists(folder)
    differences = [
        Difference("archive", SUMS_NAME, "content", f"SHA-256 {manifest.sha256}", wanted)
        for wanted in dict.fromkeys((recorded, expected_sha256 or recorded))
        if wanted != manifest.sha256
    ]
    sides: list[tuple[Side, Path]] = [("archive", folder)]
    if source is not None:
        sides.append(("source", source))
    tasks: list[tuple[Side, Path, ArchivedFile]] = []
    for side, root in sides:
        found, same = _compare_lists(side, manifest, list_folder(root))
        differences += found
        tasks += [(side, root, file) for file in same]
    reader = _Reader(sum(file.size for _, _, file in tasks), check, progress)
    differences += [item for item in for_each_file(reader.compare, tasks, workers=workers, tick=reader.tick) if item]
    return ArchiveVerification(
        folder=str(folder),
        manifest_sha256=manifest.sha256,
        files=len(manifest.files),
        nbytes=manifest.nbytes,
        source=None if source is None else str(source),
        differences=tuple(sorted(differences)),
    )


def _compare_lists(side: Side, manifest: Manifest, listing: Listing) -> tuple[list[Difference], list[ArchivedFile]]:
    """Return what names and sizes tell, and the files whose content is still to be compared."""
    known = manifest.states.keys() | ({SUMS_NAME, SIZES_NAME} if side == "archive" else set())
    there = set(listing.folders)
    differences = [Difference(side, path, "extra") for path in listing.files if path not in known]
    differences += [Difference(side, path, "missing") for path in manifest.folders if path not in there]
    same = []
    for file in manifest.files:
        state = listing.files.get(file.path)
        if state is None:
            differences.append(Difference(side, file.path, "missing"))
        elif state.size != file.size:
            differences.append(Difference(side, file.path, "size", f"{state.size} bytes", f"{file.size} bytes"))
        else:
            same.append(file)
    return differences, same


class _Reader:
    """Compares contents in several threads and counts what was read."""

    def __init__(
        self, total: int, check: Callable[[], object] | None, progress: Callable[[int, int], object] | None
    ) -> None:
        self._total, self._check, self._progress = total, check, progress
        self._read: dict[tuple[str, str], int] = {}

    def compare(self, task: tuple[Side, Path, ArchivedFile], stop: StopMark) -> Difference | None:
        side, root, file = task

        def seen(nbytes: int) -> None:
            stop.check()
            self._read[side, file.path] = self._read.get((side, file.path), 0) + nbytes

        try:
            size, sha256 = hash_from_disk(root / file.path, seen)
        except OSError as error:
            return Difference(side, file.path, "unreadable", read_failed(root / file.path, error).found, "its content")
        if (size, sha256) != (file.size, file.sha256):
            return Difference(side, file.path, "content", f"SHA-256 {sha256}", file.sha256)
        return None

    def tick(self) -> None:
        if self._check is not None:
            self._check()
        if self._progress is not None:
            self._progress(sum(tuple(self._read.values())), self._total)
