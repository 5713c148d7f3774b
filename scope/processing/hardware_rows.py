"""What devices measure, on its way into the tracking file."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from opticstream.scope.processing.writer_messages import StoreHardware


class HardwareRows:
    """Follows the buffers of the devices; what the file cannot take stays there, until newer rows overwrite it.

    So nothing grows while the disk is slow, and rows that nobody could take are counted.

    Args:
        buffers: by device; their reading places are this object's.
    """

    def __init__(self, buffers: Mapping[str, Any]) -> None:
        self._buffers = buffers
        self._missed = dict.fromkeys(buffers, 0)

    def begin(self, start_ns: int) -> None:
        """Begin with the first row from ``start_ns`` on, ns since 1970 UTC."""
        for name, buffer in self._buffers.items():
            written, rows = buffer.written, buffer.newest(buffer.shape[0])
            buffer.position = max(0, written - int(np.count_nonzero(rows[:, 0] >= start_ns / 1e9)))
            buffer.missed = self._missed[name] = 0

    def refused(self, name: str, rows: int) -> None:
        """Take note that no file took rows of a device."""
        self._missed[name] += rows

    def new(self) -> Iterator[StoreHardware]:
        """Yield what each device has written since the last time; rows without a time are left out."""
        for name, buffer in self._buffers.items():
            rows = buffer.read()
            rows = rows[np.isfinite(rows[:, 0])]
            missed = buffer.missed + self._missed[name]
            if len(rows) or missed:
                buffer.missed = self._missed[name] = 0
                yield StoreHardware(name, rows, missed)
