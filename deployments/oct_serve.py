"""``opticstream oct serve``: this process runs a project's batches when they are ready."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opticstream.core.settings import Settings
from opticstream.deployments.relay import Relay
from opticstream.deployments.relay_api import RelayApi
from opticstream.state import OCT_TREE, Database, ProjectState

log = logging.getLogger(__name__)

_QUERY_S = 0.5
"""How often the API is asked for runs; Prefect's own 10 s would be most of the wait."""
_RECONCILE_S = 10.0
_AGAIN_S = 2.0


def serve_oct(settings: Settings, database: Database, project: str, *, limit: int, say: Callable[[str], None]) -> None:
    """Serve a project's deployment until a signal; runs in progress give their batches back.

    Each run is a process of its own, so the calling script needs a ``__main__`` guard.

    Args:
        settings: of this process.
        database: the open state store.
        project: project name.
        limit: runs at a time.
        say: is told in one line what is served.
    """
    from opticstream.deployments.oct_deployment import batch_deployment
    from opticstream.deployments.runner import UntilSignal
    from opticstream.imaging.psoct import warm_kernels

    state = ProjectState(database, OCT_TREE, project)
    warm_kernels(settings.kernels)  # once, so that no run compiles
    with RelayApi(settings) as api, Relay(database, api), _reconciling(state):
        with contextlib.suppress(KeyboardInterrupt), UntilSignal.on_interrupt():
            while True:
                try:
                    # Applying it again is harmless, and needed where the server has lost its database.
                    runner = UntilSignal(
                        name=f"opticstream-{project}", query_seconds=_QUERY_S, limit=limit, pause_on_shutdown=False
                    )
                    runner.add_deployment(batch_deployment(project, triggered=settings.dispatch == "event"))
                    say(f"Serving {project}: up to {limit} batches at a time; Ctrl+C ends it.")
                    asyncio.run(runner.start())
                except Exception as error:  # the runner gives up on an API that is away; its batches stay ready
                    log.warning("The Prefect API is away, trying again: %s", error)
                time.sleep(_AGAIN_S)


@contextmanager
def _reconciling(state: ProjectState) -> Iterator[None]:
    """Look after units that no event brought a run for, from a thread."""
    from opticstream.tasks.reconcile import reconcile_project

    ended = threading.Event()

    def work() -> None:
        told = False
        while not ended.wait(_RECONCILE_S):
            try:
                reconcile_project(state)
                told = False
            except Exception as error:  # the API or the store is away; the next look does it
                (log.debug if told else log.warning)("Reconcile waits: %s", error)
                told = True

    thread = threading.Thread(target=work, name="opticstream-reconcile", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
