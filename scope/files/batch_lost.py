"""A batch of tracks that could not be stored."""

from pathlib import Path

from opticstream.core.errors import WriteFailed


class BatchLost(WriteFailed):
    """Raised when a batch could not be appended; the file holds what it held before, and nothing of the batch.

    Args:
        path: the tracking file, which is closed; the next batch goes into a new one.
        sequence: of the batch.
        frames: how many of its frames are lost.
        records: how many positions.
        reason: what the disk or HDF5 said.
    """

    def __init__(self, path: Path, *, sequence: int, frames: int, records: int, reason: str) -> None:
        super().__init__(
            str(path),
            found=f"{reason}; batch {sequence} with {frames} frames and {records} records is lost",
            expected="a folder with room that this user can write to",
            action="Make room; the next batch goes into a new file.",
        )
        self.path, self.sequence, self.frames, self.records, self.reason = path, sequence, frames, records, reason

    def __reduce__(self) -> tuple[object, ...]:
        """Cross process boundaries with every field."""
        return (_rebuild, (self.path, self.sequence, self.frames, self.records, self.reason))


def _rebuild(path: Path, sequence: int, frames: int, records: int, reason: str) -> BatchLost:
    return BatchLost(path, sequence=sequence, frames=frames, records=records, reason=reason)
