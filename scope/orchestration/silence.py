"""Which processes have not been heard of for too long."""

from collections.abc import Mapping
from dataclasses import dataclass

_LOOK_S = 1.0
_OWN_PAUSE_S = 3.0
"""Who has not looked for so long was itself stopped, and maybe the whole computer."""


@dataclass(frozen=True)
class Silence:
    """What is to be told of a process."""

    name: str
    seconds: float
    over: bool
    """It is heard of again; otherwise it is silent."""


class SilenceWatch:
    """Says once that a process is silent, and once that it is not any more; has no clock of its own.

    A process may be in a call that takes long, an exposure of a minute or a move, so silence is told and nothing else
    follows from it. One that was silent and came back is next told of at twice that silence.

    Args:
        limit_s: silence that is nothing to tell of; a kernel that is compiled for the first time takes 20 s.
    """

    def __init__(self, limit_s: float = 30.0) -> None:
        self._limit_s = limit_s
        self._limits: dict[str, float] = {}
        self._looked: float | None = None
        self._awake_since = float("-inf")
        self.silent: dict[str, float] = {}
        """Seconds of silence of those that have been told of."""

    def due(self, now: float) -> bool:
        """Say whether it is time to `look`, at ``now``, monotonic s."""
        return self._looked is None or now - self._looked >= _LOOK_S

    def forget(self, name: str) -> None:
        """Forget a process that has ended."""
        self.silent.pop(name, None)
        self._limits.pop(name, None)

    def look(self, now: float, heard: Mapping[str, float]) -> list[Silence]:
        """Return what is to be told.

        Args:
            now: monotonic s.
            heard: until when nothing had to be heard of each process, monotonic s; 0: it has not begun to work.
        """
        if self._looked is not None and now - self._looked > _OWN_PAUSE_S:
            self._awake_since = now
        self._looked = now
        found = []
        for name, until in heard.items():
            seconds = now - max(until, self._awake_since) if until else 0.0
            before = self.silent.get(name)
            if seconds > self._limits.get(name, self._limit_s):
                self.silent[name] = seconds
                if before is None:
                    found.append(Silence(name, seconds, False))
            elif before is not None and until > now - before:  # not only because this process was stopped itself
                del self.silent[name]
                self._limits[name] = max(2 * before, self._limit_s)
                found.append(Silence(name, before, True))
        return found
