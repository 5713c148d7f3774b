"""Rows of numbers that one process writes and any number of others follow."""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opticstream.scope.memory.errors import BadValue
from opticstream.scope.memory.ring_counters import RingCounters
from opticstream.scope.memory.shared_buffer import Fields, SharedBuffer, whole_numbers

Rows = NDArray[np.float64]

_TRIES = 100


class MatrixBuffer(SharedBuffer):
    """A ring of rows of float64: one process writes, and the oldest rows are overwritten.

    Each process that reads has a place of its own, so nobody's reading takes rows from another; who is slower than
    the ring is long gets the newest rows, and :attr:`missed` counts the rest. What is read is never torn. A writer
    that starts again attaches and goes on after the last whole row.

    Args:
        name: of the segment.
        create: make it, filled with NaN.
        shape: rows, columns; needed to create, known to the segment otherwise.

    Raises:
        BadValue: (a ValueError) the shape is missing or impossible.
        NotEnoughMemory: larger than what is free.
    """

    missed: int
    """Rows that were overwritten before this process read them."""
    position: int
    """Rows that this process has read or missed; may be set, to go on where another reader was. At first what is
    still there is unread."""

    def __init__(self, name: str, create: bool, shape: tuple[int, int] | None = None) -> None:
        parameters: Sequence[int] = ()
        if create:
            if shape is None or len(shape) != 2:
                raise BadValue("matrix buffer: shape", found=f"{shape}", expected="rows, columns")
            parameters = whole_numbers("matrix buffer: shape", rows=shape[0], columns=shape[1])
        arrays = self._open(name, create, parameters)
        self.shape = (self._parameters[0], self._parameters[1])
        self._rows: Rows = arrays["rows"]
        self._ring = RingCounters(arrays["ring"], self.shape[0])
        if create:
            self._rows.fill(np.nan)
        self.missed, self.position = 0, max(0, self.written - self.shape[0])

    def _fields(self, parameters: Sequence[int]) -> Fields:
        return {"ring": (np.uint64, (2,)), "rows": (np.float64, (parameters[0], parameters[1]))}

    @property
    def written(self) -> int:
        """Rows ever written, those included that came in one piece larger than the buffer and were skipped."""
        return self._ring.written

    def write(self, a: ArrayLike) -> None:
        """Append rows; of more than the buffer holds the newest are kept, and readers count the others as missed.

        Args:
            a: (n, columns), or one row (columns,).

        Raises:
            BadValue: wrong number of columns.
        """
        rows = np.atleast_2d(np.asarray(a, np.float64))
        capacity, columns = self.shape
        if rows.ndim != 2 or rows.shape[1] != columns:
            raise BadValue(
                f"matrix buffer {self.name}", found=f"shape {np.shape(a)}", expected=f"(n, {columns})"
            )  # fmt: skip
        written, end = self._ring.written, self._ring.written + len(rows)
        start = max(written, end - capacity)
        # By halves, so that a reader always finds whole rows, also if the writer is killed here.
        step = max(1, capacity // 2)
        if start > written:
            self._ring.begin(end)  # the places of skipped rows hold older ones, which must not be taken for them
        while start < end:
            stop = min(end, start + step)
            self._ring.begin(stop)
            for part, place in self._places(start, stop):
                self._rows[place] = rows[len(rows) - end + part.start : len(rows) - end + part.stop]
            self._ring.finish(stop)
            start = stop

    def _places(self, start: int, stop: int) -> list[tuple[slice, slice]]:
        """Return rows from ``start`` to ``stop`` and where they lie, in one piece or two."""
        capacity = self.shape[0]
        turn = min(stop, (start // capacity + 1) * capacity)
        parts = [(start, turn), (turn, stop)]
        return [
            (slice(first, last), slice(first % capacity, first % capacity + last - first))
            for first, last in parts
            if last > first
        ]

    def _take(self, position: int, newest: int) -> tuple[int, Rows]:
        """Return the number of rows written, and the whole ones of the last ``newest`` from ``position`` on."""
        end, whole = 0, self._rows[:0].copy()
        for attempt in range(_TRIES):
            end = self._ring.written
            start = max(position, end - newest, 0)
            if start >= end:
                break
            copy = np.empty((end - start, self.shape[1]))
            for part, place in self._places(start, end):
                copy[part.start - start : part.stop - start] = self._rows[place]
            whole = copy[max(0, self._ring.intact() - start) :]
            if len(whole):
                break
            if attempt:
                time.sleep(0)  # the writer went round the whole ring; on one core it needs to get on
        return end, whole

    def read(self) -> Rows:
        """Return a copy of the rows that this process has not read yet, oldest first, (n, columns)."""
        end, rows = self._take(self.position, self.shape[0])
        self.missed += max(0, end - self.position - len(rows))
        self.position = end
        return rows

    def newest(self, n: int) -> Rows:
        """Return a copy of the newest ``n`` rows, or of as many as there are; the cost depends on ``n`` only."""
        return self._take(0, min(max(0, int(n)), self.shape[0]))[1]

    def peak_sorted(self) -> Rows:
        """Return a copy of all rows, oldest first, (rows, columns); where none was written yet there is NaN."""
        rows = self.newest(self.shape[0])
        missing = np.full((self.shape[0] - len(rows), self.shape[1]), np.nan)
        return np.concatenate((missing, rows))

    def peak_unsorted(self) -> Rows:
        """Return a view of all rows as they are stored; it changes while it is looked at."""
        view: Rows = self._rows.view()
        view.flags.writeable = False
        return view

    def get_level(self) -> float:
        """Return how much of the ring has been written, 0 to 1."""
        return min(1.0, self.written / self.shape[0])
