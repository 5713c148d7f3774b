"""Direct mode: the flows in the watcher's own process, one unit at a time."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from opticstream.core.errors import OpticstreamError, ServerUnavailable
from opticstream.core.identifiers import UnitId
from opticstream.state import ProjectState
from opticstream.watch import NotNow, StopSignal, WatchObserver

log = logging.getLogger(__name__)

_API_RETRY_S = 5.0
_CLOSE_S = 60.0
_START_S = 30.0
"""How long the first unit waits for the API and the kernels; after that, units stay ready and are tried again."""


class Api(Protocol):
    """The Prefect API a direct watcher runs its flows on."""

    def ensure(self) -> None:
        """Make it available to this process. Raises ServerUnavailable."""

    def healthy(self) -> bool:
        """Say whether it answers now."""
        ...


class WatchProgress(WatchObserver, Protocol):
    """Is told what the watcher does, and when a unit's flow begins, how far it is, and when it ends."""

    def began(self, ident: UnitId, files: int) -> None:
        """Called when the flow of a unit begins; ``files`` are those it will read, 0 where that says nothing."""

    def progress(self, step: str, done: int, total: int) -> None:
        """Called while a long step goes on; the numbers are bytes."""

    def ended(self, ident: UnitId, status: str, seconds: float) -> None:
        """Called when it has ended; ``status`` is the row's."""


@dataclass(frozen=True)
class DirectFlow:
    """What a direct watcher runs for the units of one level."""

    level: str
    stages: tuple[str, ...]
    """Stages that the flow does."""
    run: Callable[[UnitId], Any]
    """Runs it; imports it first."""
    files: Callable[[UnitId], int] = lambda _: 0
    """Files of a unit, for the rate that is shown."""


class DirectRunner:
    """Runs flows in this process, one unit at a time.

    Args:
        state: the project's.
        flows: what is run for which units.
        api: the Prefect API they run on.
        warm: imports the flows and compiles the kernels, which are kept in the given folder.
        refresh: called after each completed unit.
        progress: is told what happens.
        stop: ends a wait.
    """

    def __init__(
        self,
        state: ProjectState,
        flows: Sequence[DirectFlow],
        api: Api,
        *,
        warm: Callable[[Path], object],
        refresh: Callable[[], bool] | None = None,
        progress: WatchProgress,
        stop: StopSignal,
    ) -> None:
        self._state, self._api, self._warm = state, api, warm
        self._flows = {flow.level: flow for flow in flows}
        self.stages = [(flow.level, stage) for flow in flows for stage in flow.stages]
        """Levels and stages that are done here."""
        self._refresh, self._progress = refresh, progress
        self._ready, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._stop = stop
        self._wait_until = 0.0
        self.outcomes: Counter[str] = Counter()
        """Leaf units by the status of their row afterwards."""
        self.parents: Counter[str] = Counter()
        """The same of the units above them."""

    def prepare(self) -> None:
        """Begin to find or start the API, import the flow and compile the kernels; the first batch does it if need be."""
        if self._thread is not None:
            return
        self._wait_until = time.monotonic() + _START_S
        self._thread = threading.Thread(target=self._prepare, name="opticstream-prepare", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let the preparation end: an interpreter that exits while numba is being imported aborts."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_S)

    def _prepare(self) -> None:
        warned = False
        while not self._closing.is_set():
            try:
                self._api.ensure()
            except ServerUnavailable as error:
                if not warned:
                    log.warning("%s Units stay ready meanwhile.", error)
                warned = True
                self._closing.wait(_API_RETRY_S)
                continue
            if self._closing.is_set():
                return
            self._warm(self._state.database.settings.kernels)
            self._ready.set()
            return

    def run(self, ident: UnitId) -> bool:
        """Run a unit's flow; return whether the unit is settled (False: held or backing off, try later).

        Raises:
            NotNow: the API is away; the unit stays ready and no attempt is counted.
            OpticstreamError: the unit failed; its row says why.
        """
        flow = self._flows[ident.level]
        self._wait_ready()
        if not self._api.healthy():
            raise NotNow("the Prefect API does not answer; `opticstream server status` says more")
        began = time.monotonic()
        self._progress.began(ident, flow.files(ident))
        error = self._run_flow(flow, ident)
        view = self._state.peek(ident)
        status = view.status if view else "absent"
        self._progress.ended(ident, status, time.monotonic() - began)
        if status == "ready" and error is not None:
            raise NotNow(f"{error}" if isinstance(error, Exception) else "interrupted") from error
        outcomes = self.outcomes if ident.level == self._state.tree.leaf.name else self.parents
        if status == "completed":
            outcomes["completed"] += 1
            if self._refresh is not None:
                self._refresh()
            return True
        if status == "failed":
            outcomes["failed"] += 1
            raise OpticstreamError((view.error if view else None) or str(error))
        if status == "running" and error is None:  # another process has it, or a stage that is another host's is left
            outcomes["left to others"] += 1
        return False

    def _wait_ready(self) -> None:
        self.prepare()
        while not self._ready.wait(0.1):
            if self._stop.is_set() or time.monotonic() > self._wait_until:
                raise NotNow("the Prefect API and the kernels are being made ready")

    def _run_flow(self, flow: DirectFlow, ident: UnitId) -> BaseException | None:
        """Run the flow and return its error: what counts is the row, which it settles before Prefect hears of it."""
        from prefect.exceptions import TerminationSignal
        from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

        from opticstream.tasks.progress import progress_to

        # The heartbeat's thread adds a second to every synchronous run; the lease says already that we live.
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}), progress_to(self._progress.progress):
            try:
                flow.run(ident)
            except (Exception, TerminationSignal) as error:  # Prefect passes a SIGTERM on to our own handler first
                return error
        return None
