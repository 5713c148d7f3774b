"""What the video processor and the process that writes files say to each other."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.track_batch import TrackBatch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opticstream.scope.files import RecordingInfo
    from opticstream.scope.frame_ledger import FrameLedger
    from opticstream.scope.processing.video_recording import VideoKind

NOT_STORED = "the disk refused"
"""Why frames that were tracked are in no file; always the same words, so that ledgers stay short."""


@dataclass(frozen=True, eq=False)
class StartRecording:
    """Write what comes from now on into new files in this folder."""

    folder: Path
    info: "RecordingInfo"
    start_ns: int
    """Frames from before are not stored, ns since 1970 UTC."""
    rotation_minutes: float | None
    video: str = ""
    """``full``, ``rois`` or nothing."""
    tracks: bool = True
    video_kind: "VideoKind" = "zarr"
    profiles: bool = False


@dataclass(frozen=True, eq=False)
class StoreStack:
    """Store a batch, and the frames it was made of where video is recorded."""

    batch: TrackBatch
    stack: int
    """Number of the stack in the video buffer; it is not released before it is acknowledged."""
    profiles: "Mapping[int, NDArray[np.float64]]" = field(default_factory=dict)
    """By bead, grey levels, (frames, bins); of recordings that save profiles."""
    regions: NDArray[np.uint32] = field(default_factory=lambda: np.empty((0, 4), np.uint32))
    """Of which video is recorded, (n, 4); those of the batch, or of all beads where none is tracked."""

    @property
    def nbytes(self) -> int:
        """How much memory its numbers take, about."""
        tracks = self.batch.positions_nm.nbytes + self.batch.flags.nbytes
        return tracks + sum(profiles.nbytes for profiles in self.profiles.values())


@dataclass(frozen=True, eq=False)
class StoreHardware:
    """Store rows of a device."""

    name: str
    rows: NDArray[np.float64]
    """(n, columns)."""
    missed: int
    """Rows before them that nobody could take in time."""


@dataclass(frozen=True)
class StoreNote:
    """Store an operator's note."""

    time_ns: int
    text: str


@dataclass(frozen=True, eq=False)
class StoreLedger:
    """Store what became of the frames."""

    ledger: "FrameLedger"


@dataclass(frozen=True)
class StopRecording:
    """Close the files."""

    reason: str


@dataclass(frozen=True)
class Stored:
    """A stack has been stored, or cannot be."""

    sequence: int
    path: Path | None = None
    """The file that took its tracks; None: there was nothing to take, or it could not."""
    error: str = ""
    """Why it was not stored: its tracks, or its frames where video is all there is."""
    video_error: str = ""
    """Why its frames were not stored beside its tracks."""


@dataclass(frozen=True)
class HardwareRefused:
    """No file took the rows of a device."""

    name: str
    rows: int


@dataclass(frozen=True)
class Trouble:
    """Something could not be written that was no stack of tracks."""

    text: str


def crops_of(frames: NDArray[np.generic], rois: NDArray[np.uint32]) -> NDArray[np.generic]:
    """Return the regions cut out of frames (T, Y, X) as (T, B, roi, roi)."""
    return np.stack([frames[:, y0:y1, x0:x1] for x0, x1, y0, y1 in rois.tolist()], axis=1)
