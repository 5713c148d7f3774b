"""What shall be archived, and where to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from opticstream.core.checksum import new_checksum
from opticstream.core.errors import BadInput
from opticstream.rig.session_folder import METADATA

TargetName = Literal["network", "backup"]
MANIFEST = "session_archiver_manifest.json"


@dataclass(frozen=True)
class ArchiveRequest:
    """One session's folder and the folders that shall hold its copies.

    Raises:
        BadInput: there is no target or no session folder, or they lie in each other, or a number is out of range.
    """

    session_folder: Path
    targets: Mapping[TargetName, Path]
    """The session's own folder at each destination: files go to ``target / path``."""

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    algorithm: str = "sha256"
    dry_run: bool = False
    skip_completed: bool = True
    """Do not copy again what an earlier run archived and what has not changed on either side since."""

    reverify: bool = False
    """Read again what an earlier run archived, instead of comparing sizes and times."""

    max_retries: int = 2
    retry_delay_s: float = 1.0
    remove_source: bool = False
    """Remove the originals that are verified at every target; never metadata."""

    remove_empty_folders: bool = False
    """Remove folders that the removal of originals left empty."""

    metadata_only: bool = False
    """Take only what no pattern can leave out."""

    manifest: Path | None = None
    """List for people, written once at the end; the journal is beside it. Default: in the metadata folder."""

    workers: int = 4
    more_live: tuple[str, ...] = field(default=(), kw_only=True)
    """Further paths that are still being written; they are archived last, as they are then."""

    def __post_init__(self) -> None:
        new_checksum(self.algorithm)
        if not self.session_folder.is_dir():
            raise BadInput("session_dir", found=f"no folder {self.session_folder}", expected="a session's folder")
        if not self.targets:
            raise BadInput(
                "session archive",
                found="no folder to copy to",
                expected="network_dir, backup_dir or both",
                action="Set one of them, and move_to_network or copy_to_backup to true.",
            )
        if self.max_retries < 0 or self.retry_delay_s < 0 or self.workers < 1:
            raise BadInput("session archive", found="a negative number", expected="retries and delays from 0 up")
        self._check_apart()

    @property
    def manifest_path(self) -> Path:
        """Return where the list for people is."""
        return self.manifest or self.session_folder / METADATA / MANIFEST

    @property
    def journal_path(self) -> Path:
        """Return where what is done is written down, file after file."""
        return self.manifest_path.with_suffix(".journal")

    @property
    def lock_path(self) -> Path:
        """Return the lock that keeps two archivers apart."""
        return self.manifest_path.with_suffix(".lock")

    def own_files(self) -> tuple[str, ...]:
        """Return the archiver's own files in the session folder, as paths relative to it."""
        root = self.session_folder.resolve()
        paths = (path.parent.resolve() / path.name for path in (self.manifest_path, self.journal_path, self.lock_path))
        return tuple(path.relative_to(root).as_posix() for path in paths if path.is_relative_to(root))

    def _check_apart(self) -> None:
        folders = {f"{name}_dir": path.resolve() for name, path in self.targets.items()}
        folders["session_dir"] = self.session_folder.resolve()
        for one, first in folders.items():
            for other, second in folders.items():
                if one != other and first.is_relative_to(second):
                    raise BadInput(one, found=f"{first}, in {other}", expected="a folder outside of it")


def target_folder(root: Path, session_name: str) -> Path:
    """Return a session's own folder below a destination; a destination that names the session is that folder."""
    return root if session_name in root.parts else root / session_name
