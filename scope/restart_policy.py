"""What to do when a process of a scope dies."""

from collections import deque
from dataclasses import dataclass, field


@dataclass
class RestartPolicy:
    """Start it anew, but not for ever: a process that dies again and again ends the scope, visibly."""

    limit: int = 3
    """So often within the window; 0: never."""
    window_s: float = 60.0
    _deaths: deque[float] = field(default_factory=deque, repr=False)

    def again(self, now: float) -> bool:
        """Take note of a death at ``now`` (monotonic seconds); return whether to start it anew."""
        while self._deaths and now - self._deaths[0] > self.window_s:
            self._deaths.popleft()
        self._deaths.append(now)
        return len(self._deaths) <= self.limit
