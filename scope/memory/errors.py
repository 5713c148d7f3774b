"""What the buffers refuse, in the shape of every error of the package and of the built-in type it stands for."""

from opticstream.core.errors import BadInput, OpticstreamError


class BufferOverflow(OpticstreamError):
    """Raised when a buffer that never overwrites what is unread has no room left; nothing was written."""


class BufferUnderflow(OpticstreamError):
    """Raised when what was asked for is not in the buffer: not yet, or no longer."""


class DatasetNotReadyError(OpticstreamError, RuntimeError):
    """Raised when a sweep's dataset is not in a state in which it may be attached or written."""


class BadValue(BadInput, ValueError):
    """Raised when a buffer is given something that it cannot hold."""


class SegmentMissing(BadInput, FileNotFoundError):
    """Raised when no shared memory of this name exists."""


class SegmentExists(BadInput, FileExistsError):
    """Raised when shared memory of this name exists already."""


class NotEnoughMemory(BadInput, MemoryError):
    """Raised when a buffer is larger than the memory that is free; nothing was allocated."""
