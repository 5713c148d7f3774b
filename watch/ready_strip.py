"""A strip whose files are complete, stable and readable."""

from dataclasses import dataclass
from pathlib import Path

from opticstream.core.lsm_identifiers import StripId


@dataclass(frozen=True, slots=True)
class ReadyStrip:
    """What the gate and the dispatch are asked about."""

    ident: StripId
    """The strip, after the slice offset."""
    folder: Path
    """Where its files are."""
    files: int
    """How many there are, subfolders included."""
    total_bytes: int
    fingerprint: str
    """SHA-256 over relative POSIX paths, mtimes and sizes, 64 hexadecimal digits."""
    force: bool = False
    """Take it whatever its row says: --force-resend, for the first offer of each unit in a watcher's run."""

    @property
    def summary(self) -> str:
        """One line for the operator."""
        return f"{self.files} files, {self.total_bytes / 1e9:.3g} GB in {self.folder}"
