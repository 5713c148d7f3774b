"""Direct mode: the batch flow in the watcher's own process, one batch at a time."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from opticstream.core.errors import OpticstreamError, ServerUnavailable
from opticstream.core.identifiers import BatchId, UnitId
from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.state import ProjectState
from opticstream.watch import NotNow, StopSignal, WatchObserver

log = logging.getLogger(__name__)

_API_RETRY_S = 5.0
_CLOSE_S = 60.0
_START_S = 30.0
"""How long the first batch waits for the API and the kernels; after that, batches stay ready and are tried again."""


class Api(Protocol):
    """The Prefect API a direct watcher runs its flows on."""

    def ensure(self) -> None:
        """Make it available to this process. Raises ServerUnavailable."""

    def healthy(self) -> bool:
        """Say whether it answers now."""
        ...


class WatchProgress(WatchObserver, Protocol):
    """Is told what the watcher does, and when a batch's flow begins and ends."""

    def began(self, ident: UnitId, tiles: int) -> None:
        """Called when the flow of a batch begins."""

    def ended(self, ident: UnitId, status: str, seconds: float) -> None:
        """Called when it has ended; ``status`` is the row's."""


class DirectRunner:
    """Runs the batch flow in this process, one batch at a time."""

    def __init__(
        self,
        state: ProjectState,
        config: PSOCTScanConfig,
        api: Api,
        refresh: Callable[[], bool] | None,
        progress: WatchProgress,
        stop: StopSignal,
    ) -> None:
        self._state, self._config, self._api = state, config, api
        self._refresh, self._progress = refresh, progress
        self._ready, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._stop = stop
        self._wait_until = 0.0
        self.outcomes: Counter[str] = Counter()

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
                    log.warning("%s Batches stay ready meanwhile.", error)
                warned = True
                self._closing.wait(_API_RETRY_S)
                continue
            if self._closing.is_set():
                return
            from opticstream.flows import process_tile_batch as _  # noqa: F401 (its import is what takes long)
            from opticstream.imaging.psoct import warm_kernels

            warm_kernels(self._state.database.settings.kernels)
            self._ready.set()
            return

    def run(self, ident: UnitId) -> bool:
        """Run a batch's flow; return whether the batch is settled (False: held or backing off, try later).

        Raises:
            NotNow: the API is away; the batch stays ready and no attempt is counted.
            OpticstreamError: the batch failed; its row says why.
        """
        assert isinstance(ident, BatchId)  # noqa: S101 (leaves of an OCT tree)
        self._wait_ready()
        if not self._api.healthy():
            raise NotNow("the Prefect API does not answer; `opticstream server status` says more")
        began = time.monotonic()
        self._progress.began(ident, self._config.acquisition.grid_size_y)
        error = _run_flow(ident)
        view = self._state.peek(ident)
        status = view.status if view else "absent"
        self._progress.ended(ident, status, time.monotonic() - began)
        if status == "ready" and error is not None:
            raise NotNow from error
        if status == "completed":
            self.outcomes["completed"] += 1
            if self._refresh is not None:
                self._refresh()
            return True
        if status == "failed":
            self.outcomes["failed"] += 1
            raise OpticstreamError((view.error if view else None) or str(error))
        return False

    def _wait_ready(self) -> None:
        self.prepare()
        while not self._ready.wait(0.1):
            if self._stop.is_set() or time.monotonic() > self._wait_until:
                raise NotNow("the Prefect API and the kernels are being made ready")


def _run_flow(ident: BatchId) -> BaseException | None:
    """Run the flow and return its error: what counts is the row, which the flow settles before Prefect hears of it."""
    from prefect.exceptions import TerminationSignal
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from opticstream.flows.process_tile_batch import process_tile_batch

    # The heartbeat's thread adds a second to every synchronous run; the lease says already that we live.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        try:
            process_tile_batch(ident.project, ident.mosaic, ident.batch)
        except (Exception, TerminationSignal) as error:  # Prefect passes a SIGTERM on to our own handler first
            return error
    return None
