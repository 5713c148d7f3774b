"""The roster, shown by a thread of its own: whoever shows it slowly holds up nobody."""

import logging
import threading
import time
from collections.abc import Callable

from opticstream.core.patience import joined
from opticstream.rig.sync.roster import Node, Roster

OnRoster = Callable[[Roster], object]

STATUS_EVERY_S = 10.0
_LAST_CALL_S = 1.0
_log = logging.getLogger("opticstream.rig.sync")


class RosterFeed:
    """Logs what changes, repeats every 10 s what is waited for, and calls the caller's function.

    Only the newest roster is kept for a function that is slow; one that raises is not called again.

    Args:
        on_roster: is called with each roster, in this thread; None: only the log.
    """

    def __init__(self, on_roster: OnRoster | None) -> None:
        self._on_roster = on_roster
        self._changed = threading.Condition()
        self._roster: Roster | None = None
        self._status = ""
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="opticstream-sync-roster", daemon=True)
        self._thread.start()

    def offer(self, roster: Roster, status: str) -> None:
        """Take the newest roster and the line to repeat; returns at once."""
        with self._changed:
            self._roster, self._status = roster, status
            self._changed.notify()

    def close(self) -> None:
        """Show the last roster and end; a function that hangs is left behind after a second."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        joined(self._thread, _LAST_CALL_S)

    def _run(self) -> None:
        shown = Roster(0)
        due = time.monotonic() + STATUS_EVERY_S
        while True:
            with self._changed:
                if self._roster is None and not self._closed:
                    self._changed.wait(max(0.0, due - time.monotonic()))
                roster, self._roster = self._roster, None
                status, closed = self._status, self._closed
            if roster is not None and roster != shown:
                _log_changes(shown, roster)
                shown = roster
                self._call(roster)
            if closed and roster is None:
                return
            if time.monotonic() >= due:
                due += STATUS_EVERY_S
                if status:
                    _log.warning("%s", status)

    def _call(self, roster: Roster) -> None:
        if self._on_roster is None:
            return
        try:
            self._on_roster(roster)
        except Exception:
            self._on_roster = None
            _log.exception("The roster can no longer be shown; the sync itself goes on")


def _log_changes(before: Roster, after: Roster) -> None:
    known = {node.name: node for node in before.nodes}
    for node in after.nodes:
        old = known.get(node.name)
        if old is None or old.status != node.status:
            _log.log(logging.WARNING if node.reason else logging.INFO, "%s", _line(node))
    for refusal in after.refused:
        if refusal not in before.refused:
            _log.warning("refused %s %s: %s", refusal.name, refusal.address, refusal.reason)


def _line(node: Node) -> str:
    where = f" ({node.address})" if node.address else ""
    return f"{node.name}{where}: {node.status}" + (f", {node.reason}" if node.reason else "")
