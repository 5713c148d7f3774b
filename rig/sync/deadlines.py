"""The next of many deadlines."""

import heapq
import math


class Deadlines:
    """The earliest deadline of many connections, at the same cost for one and for a thousand."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._current: dict[int, float] = {}

    def set(self, number: int, at: float | None) -> None:
        """Set, move or (None) lift a connection's deadline, monotonic seconds."""
        if at is None:
            self._current.pop(number, None)
            return
        self._current[number] = at
        heapq.heappush(self._heap, (at, number))

    def earliest(self) -> float:
        """Return the next deadline, infinity when there is none."""
        while self._heap and self._current.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def due(self, now: float) -> list[int]:
        """Return the connections whose deadline has come, and lift them."""
        found = []
        while self.earliest() <= now:
            number = heapq.heappop(self._heap)[1]
            del self._current[number]
            found.append(number)
        return found
