"""Shared memory of a scope's processes: one process writes each buffer, any number read it, and nobody locks."""

from opticstream.scope.memory.bead_roi_buffer import BeadRoiBuffer
from opticstream.scope.memory.doorbell import Doorbell
from opticstream.scope.memory.errors import (
    BadValue,
    BufferOverflow,
    BufferUnderflow,
    DatasetNotReadyError,
    NotEnoughMemory,
    SegmentExists,
    SegmentMissing,
)
from opticstream.scope.memory.interprocess_values import InterprocessValues
from opticstream.scope.memory.live_profile_buffer import LiveProfile, LiveProfileBuffer
from opticstream.scope.memory.matrix_buffer import MatrixBuffer
from opticstream.scope.memory.scope_event import ScopeEvent
from opticstream.scope.memory.segment import segment_name, unlink_segment
from opticstream.scope.memory.shared_value import SharedValue
from opticstream.scope.memory.sweep_rows import SweepRows
from opticstream.scope.memory.sweep_state import SweepState
from opticstream.scope.memory.video_buffer import NewestImage, VideoBuffer
from opticstream.scope.memory.video_stack import VideoStack
from opticstream.scope.memory.writer_lock import WriterLock
from opticstream.scope.memory.zlut_sweep_dataset import ZLUTSweepDataset

__all__ = [
    "BadValue",
    "BeadRoiBuffer",
    "BufferOverflow",
    "BufferUnderflow",
    "DatasetNotReadyError",
    "Doorbell",
    "InterprocessValues",
    "LiveProfile",
    "LiveProfileBuffer",
    "MatrixBuffer",
    "NewestImage",
    "NotEnoughMemory",
    "ScopeEvent",
    "SegmentExists",
    "SegmentMissing",
    "SharedValue",
    "SweepRows",
    "SweepState",
    "VideoBuffer",
    "VideoStack",
    "WriterLock",
    "ZLUTSweepDataset",
    "segment_name",
    "unlink_segment",
]
