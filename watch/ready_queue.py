"""Units that are ready: in which order to take them, and when again."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_LONGEST_S = 30.0


@dataclass(slots=True)
class _Entry:
    order: tuple[Any, ...]
    due: float
    tries: int = 0
    blocking: bool = True


class ReadyQueue(Generic[K]):
    """Ready units by their order, each with the time it is due (again).

    A unit put off is due after 1, 2, 4 … 30 s; the times are the caller's monotonic seconds.
    """

    def __init__(self) -> None:
        self._entries: dict[K, _Entry] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    @property
    def blocking(self) -> int:
        """Units that are still to be dispatched, without those that wait for something to be mended."""
        return sum(entry.blocking for entry in self._entries.values())

    def offer(self, key: K, order: tuple[Any, ...], now: float) -> None:
        """Add a unit, due now; lower orders are taken first."""
        self._entries[key] = _Entry(order, now)

    def drop(self, key: K) -> None:
        """Take a unit out, if it is in."""
        self._entries.pop(key, None)

    def put_off(self, key: K, now: float, *, blocking: bool) -> float:
        """Make a unit due later and return in how many seconds.

        Args:
            key: the unit.
            now: when it was tried.
            blocking: whether `blocking` counts it until it is taken.
        """
        entry = self._entries[key]
        seconds = min(_LONGEST_S, 2.0 ** min(entry.tries, 10))
        entry.tries += 1
        entry.due = now + seconds
        entry.blocking = blocking
        return seconds

    def due(self, now: float) -> list[K]:
        """Return the units to take now, in order."""
        ready = [(entry.order, key) for key, entry in self._entries.items() if entry.due <= now]
        ready.sort(key=lambda item: item[0])
        return [key for _, key in ready]
