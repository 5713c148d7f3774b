"""How far the one writer of a ring has come."""

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.memory.fence import fence


class RingCounters:
    """The numbers of entries that were begun and that are written, counted from the ring's creation.

    Entry ``i`` lies in place ``i % capacity``, so it is overwritten from the moment when entry ``i + capacity`` is
    begun. A reader copies and then asks what is :meth:`intact`: no lock, and a writer that is killed at any moment
    leaves at worst entries that were begun and are never delivered. Whoever writes next goes on at ``written``;
    ``begun`` never goes back, because the places that the killed writer had begun hold neither the old nor the new.

    Args:
        cells: two words of shared memory, zero at first, uint64 (2,).
        capacity: entries in the ring.
    """

    def __init__(self, cells: NDArray[np.uint64], capacity: int) -> None:
        self._cells = cells
        self.capacity = capacity

    @property
    def written(self) -> int:
        """Entries that are whole; what is read after this call is at least as new."""
        written = int(self._cells[1])
        fence()
        return written

    def begin(self, end: int) -> None:
        """Say, before touching them, that the entries up to ``end`` (excluded) are being written."""
        if end > int(self._cells[0]):
            self._cells[0] = end
        fence()

    def finish(self, end: int) -> None:
        """Say that the entries up to ``end`` (excluded) are whole."""
        fence()
        self._cells[1] = end

    def intact(self) -> int:
        """Return the oldest entry that no writer had touched until now; what was copied before this call is whole."""
        fence()
        return max(0, int(self._cells[0]) - self.capacity)
