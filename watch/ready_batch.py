"""A batch whose files are complete, stable and readable."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from opticstream.core.identifiers import BatchId
from opticstream.watch.engine import Fingerprint


@dataclass(frozen=True, slots=True)
class ReadyBatch:
    """What the gate and the dispatch are asked about."""

    ident: BatchId
    """The batch by its logical mosaic, after the slice offset."""
    source_mosaic: int
    """The mosaic number in the file names."""
    files: tuple[Path, ...]
    """Sorted by tile, then kind (complex before spectral)."""
    fingerprint: str
    """SHA-256 over names, mtimes and sizes, 64 hexadecimal digits."""
    total_bytes: int
    force: bool = False
    """Take it whatever its row says: --force-resend, for the first offer of each unit in a watcher's run."""

    @property
    def summary(self) -> str:
        """One line for the operator."""
        return f"{len(self.files)} files"


def digest(fingerprint: Fingerprint) -> str:
    """Return the text form of a fingerprint, the same in every run and on every host."""
    text = "".join(f"{name}\0{mtime}\0{size}\n" for name, mtime, size in fingerprint)
    return hashlib.sha256(os.fsencode(text)).hexdigest()
