"""Gate and dispatch of one ready unit, with everything that can go wrong there."""

import logging
from collections import Counter
from typing import Generic, Literal, TypeVar

from opticstream.core.errors import OpticstreamError
from opticstream.core.identifiers import UnitId
from opticstream.watch.protocols import Dispatch, Gate, NotNow, WatchObserver
from opticstream.watch.ready_unit import ReadyUnit

U = TypeVar("U", bound=ReadyUnit)

Verdict = Literal["done", "later", "mend"]
"""Done: dispatched, refused, or failed in a way the state knows. Later: something is out of reach. Mend: the gate is
broken, so nobody knows of the unit yet."""

_log = logging.getLogger("opticstream.watch")


class Admission(Generic[U]):
    """Asks the gate once per offer and dispatches what it registers.

    A unit that was registered but not dispatched keeps its place and its force: the gate would answer a second
    question with the row that the first one made.

    Args:
        gate: registers a ready unit in the state.
        dispatch: starts the work of a registered unit.
        force: pass the first offer of each unit with ``force``.
        observer: is told each outcome.
    """

    def __init__(self, gate: Gate[U], dispatch: Dispatch[U], *, force: bool, observer: WatchObserver) -> None:
        self._gate = gate
        self._dispatch = dispatch
        self._force = force
        self._observer = observer
        self._registered: dict[UnitId, bool] = {}
        self._forced: set[UnitId] = set()
        self.totals: Counter[str] = Counter()
        """Registered, skipped, dispatched and failed offers so far."""

    def force(self, ident: UnitId) -> bool:
        """Return whether the unit's next offer is forced."""
        return self._registered.get(ident, self._force and ident not in self._forced)

    def holds(self, ident: UnitId) -> bool:
        """Return whether the unit is registered but not dispatched yet."""
        return ident in self._registered

    def admit(self, ready: U) -> Verdict:
        """Take one unit as far as it goes; never raises."""
        try:
            if not self._is_registered(ready):
                return "done"
        except NotNow as away:
            return self._later(ready, away)
        except Exception as error:  # one unit's trouble must not end the watch
            _unexpected(error, "%s could not be registered", ready.ident)
            self._failed(ready, f"not registered: {error}")
            return "mend"
        try:
            self._dispatch(ready)
        except NotNow as away:
            return self._later(ready, away)
        except Exception as error:  # as above; the state knows the unit and has its own way to retry
            _unexpected(error, "%s could not be dispatched", ready.ident)
            self._failed(ready, str(error))
        else:
            self.totals["dispatched"] += 1
            self._observer.unit(str(ready.ident), "dispatched", ready.summary)
        del self._registered[ready.ident]
        return "done"

    def _is_registered(self, ready: U) -> bool:
        if ready.ident in self._registered:
            return True
        answer = self._gate(ready)
        self._forced.add(ready.ident)
        if answer.registered:
            self._registered[ready.ident] = ready.force
            self.totals["registered"] += 1
            return True
        self.totals["skipped"] += 1
        changed = "; its files changed since, --force-resend takes them" if answer.changed else ""
        self._observer.unit(str(ready.ident), "skipped", f"{answer.status}{changed}")
        return False

    def _later(self, ready: U, away: NotNow) -> Verdict:
        self._observer.unit(str(ready.ident), "put off", str(away))
        return "later"

    def _failed(self, ready: U, detail: str) -> None:
        self.totals["failed"] += 1
        self._observer.unit(str(ready.ident), "failed", detail)


def _unexpected(error: Exception, text: str, *arguments: object) -> None:
    """Log the traceback of an error that does not explain itself."""
    if not isinstance(error, OpticstreamError):
        _log.error(text, *arguments, exc_info=error)
