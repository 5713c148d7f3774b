"""How an acquisition ended."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, Self

Outcome = Literal["completed", "failed", "stopped", "watchdog"]
"""completed: it ended by itself and well; failed: by itself, not well; stopped: somebody asked; watchdog: a limit did."""


@dataclass(frozen=True, slots=True)
class EngineResult:
    """What is known of an acquisition after its end; every way to end gives one."""

    outcome: Outcome
    reason: str
    """One sentence for people; empty when it completed."""

    exit_code: int | None
    """What the process returned; None when a signal ended it or there was no process."""

    signal: str | None
    """Name of the signal that ended it, such as SIGKILL."""

    started: datetime
    """UTC."""

    stopped: datetime
    """UTC."""

    watchdog: str | None = None
    """Which limit ended it: start_timeout, no_output, error_output, memory or disk."""

    output_tail: tuple[str, ...] = ()
    """Last lines of standard output."""

    error_tail: tuple[str, ...] = ()
    """Last lines of standard error."""

    output_bytes: int = 0
    """Bytes of standard output."""

    error_bytes: int = 0
    """Bytes of standard error."""

    left_behind: tuple[int, ...] = ()
    """Processes of the acquisition that could not be ended."""

    attempts: int = 1
    """How often it was started or resumed until this result."""

    @property
    def succeeded(self) -> bool:
        """Whether the acquisition did what it should."""
        return self.outcome == "completed"

    @property
    def seconds(self) -> float:
        """How long it ran."""
        return (self.stopped - self.started).total_seconds()

    def with_attempts(self, attempts: int) -> "EngineResult":
        """Return the same with another number of attempts."""
        return replace(self, attempts=attempts)

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> Self:
        """Return what `as_json` was made of, without the tails.

        Raises:
            KeyError: something is missing.
            ValueError: a time is none.
        """
        names = ("outcome", "reason", "exit_code", "signal", "watchdog", "attempts", "output_bytes", "error_bytes")
        values: dict[str, Any] = {name: data[name] for name in names}
        values |= {name: datetime.fromisoformat(data[name]) for name in ("started", "stopped")}
        return cls(**values, left_behind=tuple(data["left_behind"]))

    def as_json(self) -> dict[str, Any]:
        """Return what end_state.json holds of it; the tails stay in the log files."""
        return {
            "outcome": self.outcome,
            "reason": self.reason,
            "exit_code": self.exit_code,
            "signal": self.signal,
            "watchdog": self.watchdog,
            "started": self.started.isoformat(),
            "stopped": self.stopped.isoformat(),
            "attempts": self.attempts,
            "output_bytes": self.output_bytes,
            "error_bytes": self.error_bytes,
            "left_behind": list(self.left_behind),
        }
