"""What the joined watcher asks of its caller."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from opticstream.watch.ready_unit import ReadyUnit
from opticstream.watch.report import PassReport, Problem

U = TypeVar("U", bound=ReadyUnit)

Outcome = Literal["dispatched", "skipped", "failed", "put off", "changed", "would dispatch"]


class NotNow(Exception):
    """Raised by a gate or dispatch that cannot be reached; the unit stays ready and no attempt counts."""


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """What the state says about a ready unit."""

    registered: bool
    """The unit was new (or forced) and is now ready in the state: dispatch it."""
    status: str
    """The unit's status, for the log of a skip."""
    changed: bool = False
    """Its row was made from files with another fingerprint."""


Gate = Callable[[U], GateAnswer]
"""Registers a unit, atomically among all watchers. May raise `NotNow`."""

Dispatch = Callable[[U], None]
"""Starts or does a registered unit's work, in the watcher's thread. May raise `NotNow`."""


class WatchObserver(Protocol):
    """Is told what a watcher does, in the watcher's thread; must not raise."""

    def unit(self, ident: str, outcome: Outcome, detail: str) -> None:
        """Called when something happens to one unit."""

    def problem(self, problem: Problem) -> None:
        """Called once for each problem, when it appears."""

    def finished(self, report: PassReport) -> None:
        """Called after every pass."""
