"""How a session ended, and the exit code that says so."""

from enum import StrEnum


class SessionOutcome(StrEnum):
    """How a session ended."""

    COMPLETED = "completed"
    COMPLETED_WITH_FAILURES = "completed_with_failures"
    """The acquisition is well, a module after it is not."""
    FAILED = "failed"
    ABORTED = "aborted"
    """By a module's policy, or by the operator's answer."""
    INTERRUPTED = "interrupted"
    """By Ctrl+C, a signal, or a cancelled run."""

    @property
    def exit_code(self) -> int:
        """Return the exit code of ``opticstream launch``; 2 is kept for bad parameters, which start no session."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    SessionOutcome.COMPLETED: 0,
    SessionOutcome.COMPLETED_WITH_FAILURES: 1,
    SessionOutcome.FAILED: 1,
    SessionOutcome.ABORTED: 3,
    SessionOutcome.INTERRUPTED: 130,
}
