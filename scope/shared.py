"""What every process of a scope is given when it starts."""

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opticstream.scope.acquisition import Acquisition
from opticstream.scope.ipc.registry import CommandRegistry

if TYPE_CHECKING:
    from opticstream.scope.datatypes import BeadRoiBuffer, LiveProfileBuffer, MatrixBuffer, VideoBuffer
    from opticstream.scope.memory.doorbell import Doorbell
    from opticstream.scope.memory.interprocess_values import InterprocessValues
    from opticstream.scope.memory.scope_event import ScopeEvent
    from opticstream.scope.memory.sign_of_life import SignOfLife
    from opticstream.scope.memory.writer_lock import WriterLock
    from opticstream.scope.settings import MagScopeSettings


@dataclass
class Shared:
    """Picklable; its buffers attach by themselves where they arrive."""

    scope: str
    """The scope's name."""
    registry: CommandRegistry
    settings: "MagScopeSettings"
    values: "InterprocessValues"
    video_buffer: "VideoBuffer"
    tracks_buffer: "MatrixBuffer"
    bead_roi_buffer: "BeadRoiBuffer"
    live_profile_buffer: "LiveProfileBuffer"
    hardware_buffers: dict[str, "MatrixBuffer"]
    locks: dict[str, "WriterLock"]
    quitting: "ScopeEvent"
    """Set when the whole scope ends."""
    quitting_events: dict[str, "ScopeEvent"]
    """Set by each process that has ended its work."""
    signs_of_life: dict[str, "SignOfLife"]
    """Each process's own."""
    stack_ready: "Doorbell"
    """Rung by the camera for the video processor."""
    acquisition: Acquisition = field(default_factory=Acquisition)
    focus_motor: str | None = None
    """Name of the focus motor's process."""
    about: dict[str, Any] = field(default_factory=dict)
    """What files say of the session: camera, flow run, notes."""
    log_level: int = logging.WARNING
