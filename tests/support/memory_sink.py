"""A video buffer of this process only, for cameras under test."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class MemorySink:
    """Takes ``room`` frames; :meth:`clear` makes room again. What came and what was dropped is kept in order."""

    def __init__(self, height: int, width: int, dtype: Any = np.uint8, room: int = 1000) -> None:
        self._frames = np.zeros((room, height, width), dtype)
        self._next = 0
        self.numbers: list[int] = []
        self.times: list[float] = []
        self.dropped: list[int] = []

    @property
    def frames(self) -> NDArray[Any]:
        return self._frames[: len(self.times)]

    def next_slot(self) -> NDArray[Any] | None:
        return None if len(self.times) == len(self._frames) else self._frames[len(self.times)]

    def write_timestamp(self, t: float, number: int | None = None) -> None:
        assert len(self.times) < len(self._frames)
        self.numbers.append(self._use(number))
        self.times.append(t)

    def write_image_and_timestamp(self, image: NDArray[Any], t_unix_s: float, number: int | None = None) -> None:
        slot = self.next_slot()
        if slot is None:
            raise BufferError("full")
        slot[...] = image
        self.write_timestamp(t_unix_s, number)

    def drop(self, number: int | None = None) -> None:
        self.dropped.append(self._use(number))

    def clear(self) -> None:
        self.numbers, self.times, self.dropped = [], [], []

    def _use(self, number: int | None) -> int:
        used = self._next if number is None else number
        assert used >= self._next, "numbers increase"
        self._next = used + 1
        return used


class HandClock:
    """Seconds that pass when the test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
