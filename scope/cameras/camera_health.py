"""How a camera is doing, for whoever watches it."""

from dataclasses import dataclass, field
from typing import Any, Protocol


class Cell(Protocol):
    """A number that one process writes and others may read."""

    value: Any


@dataclass
class PlainCell:
    """A cell of this process only."""

    value: float = 0


@dataclass
class CameraHealth:
    """Counters of a camera; the scope hands in cells of shared memory, and without a scope they are plain ones."""

    total_frames: Cell = field(default_factory=PlainCell)
    consecutive_timeouts: Cell = field(default_factory=PlainCell)
    """Since the last frame."""
    queue_full_events: Cell = field(default_factory=PlainCell)
    """Frames that found the buffer full."""
    last_frame_timestamp: Cell = field(default_factory=PlainCell)
    """Seconds since 1970 UTC; 0: none yet."""

    def reset(self) -> None:
        """Set every counter to 0."""
        for cell in (self.total_frames, self.consecutive_timeouts, self.queue_full_events, self.last_frame_timestamp):
            cell.value = 0
