"""The buffers under the module name that the documented API gives them."""

from opticstream.scope.memory import (
    BeadRoiBuffer,
    BufferOverflow,
    BufferUnderflow,
    DatasetNotReadyError,
    LiveProfileBuffer,
    MatrixBuffer,
    VideoBuffer,
    ZLUTSweepDataset,
)

__all__ = [
    "BeadRoiBuffer",
    "BufferOverflow",
    "BufferUnderflow",
    "DatasetNotReadyError",
    "LiveProfileBuffer",
    "MatrixBuffer",
    "VideoBuffer",
    "ZLUTSweepDataset",
]
