"""The numbers that the processes of a scope tell each other all the time."""

import numpy as np

from opticstream.scope.memory.shared_buffer import Fields, SharedBuffer
from opticstream.scope.memory.shared_value import SharedValue

_FIELDS: Fields = {
    "video_process_busy_count": (np.uint8, (1,)),
    "reserved_stacks": (np.uint32, (1,)),
    "completed_stacks": (np.uint64, (1,)),
    "live_profile_enabled": (np.uint8, (1,)),
    "live_profile_bead": (np.int32, (1,)),
    "camera_total_frames": (np.uint64, (1,)),
    "camera_consecutive_timeouts": (np.uint32, (1,)),
    "camera_queue_full_events": (np.uint64, (1,)),
    "camera_last_frame_timestamp": (np.float64, (1,)),
    "frames_tracked": (np.uint64, (1,)),
    "frames_dropped": (np.uint64, (1,)),
    "frames_purged": (np.uint64, (1,)),
    "frames_skipped": (np.uint64, (1,)),
    "frames_not_stored": (np.uint64, (1,)),
    "stacks_released": (np.uint64, (1,)),
    "tracking_ready": (np.uint8, (1,)),
}


class InterprocessValues(SharedBuffer):
    """Named numbers, each written by one process only, all 0 at first.

    Args:
        name: of the segment.
        create: make it; otherwise attach.

    Raises:
        BadInput: the name is taken, or there is no such segment.
    """

    _FIELDS = _FIELDS

    video_process_busy_count: SharedValue[int]
    """Workers at work; the video processor's, as are the next two."""
    reserved_stacks: SharedValue[int]
    """Stacks that workers have."""
    completed_stacks: SharedValue[int]
    live_profile_enabled: SharedValue[int]
    """Whether somebody looks at a profile, 0 or 1; the parent's, as is the next."""
    live_profile_bead: SharedValue[int]
    """Id of the bead looked at; -1: none."""
    camera_total_frames: SharedValue[int]
    """The camera's, as are the next three."""
    camera_consecutive_timeouts: SharedValue[int]
    camera_queue_full_events: SharedValue[int]
    camera_last_frame_timestamp: SharedValue[float]
    """s since 1970 UTC."""
    frames_tracked: SharedValue[int]
    """The video processor's."""
    frames_dropped: SharedValue[int]
    """The camera's: never in the video buffer."""
    frames_purged: SharedValue[int]
    """The video processor's, as are the rest: discarded unseen."""
    frames_skipped: SharedValue[int]
    """Looked at, but not tracked."""
    frames_not_stored: SharedValue[int]
    """Of the tracked ones: those the files did not take."""
    stacks_released: SharedValue[int]
    tracking_ready: SharedValue[int]
    """Whether every worker has begun, 0 or 1; the camera waits for it, since until then nobody empties its buffer."""

    def __init__(self, name: str, create: bool) -> None:
        for field, cell in self._open(name, create).items():
            setattr(self, field, SharedValue(cell))
        if create:
            self.live_profile_bead.value = -1
