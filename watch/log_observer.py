"""The observer that writes to the standard logger."""

import logging

from opticstream.watch.protocols import Outcome
from opticstream.watch.report import PassReport, Problem

_LEVELS: dict[Outcome, int] = {
    "failed": logging.ERROR,
    "changed": logging.WARNING,
    "put off": logging.WARNING,
}


class LogObserver:
    """Logs what happens, and nothing for a pass in which nothing happened."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._log = logger or logging.getLogger("opticstream.watch")

    def unit(self, ident: str, outcome: Outcome, detail: str) -> None:
        """Log one unit's outcome."""
        self._log.log(_LEVELS.get(outcome, logging.INFO), "%s: %s%s", ident, outcome, f", {detail}" if detail else "")

    def problem(self, problem: Problem) -> None:
        """Log a new problem."""
        self._log.warning("%s", problem)

    def finished(self, report: PassReport) -> None:
        """Log nothing: status lines show passes."""
