"""``opticstream oct serve``: this process runs a project's batches when they are ready."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from opticstream.core.background import in_background
from opticstream.core.settings import Settings
from opticstream.deployments.relay import Relay
from opticstream.deployments.relay_api import RelayApi
from opticstream.state import OCT_TREE, Database, ProjectState
from opticstream.state.offers import announced_offers

log = logging.getLogger(__name__)
R = TypeVar("R")

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
    from opticstream.tasks.reconcile import reconcile_project

    state = ProjectState(database, OCT_TREE, project)
    warm_kernels(settings.kernels)  # once, so that no run compiles

    def applied() -> UntilSignal:
        runner = UntilSignal(
            name=f"opticstream-{project}", query_seconds=_QUERY_S, limit=limit, pause_on_shutdown=False
        )
        runner.add_deployment(batch_deployment(project, triggered=settings.dispatch == "event"))
        return runner

    with contextlib.suppress(KeyboardInterrupt), UntilSignal.on_interrupt():
        runner = _patiently(applied)
        _patiently(lambda: reconcile_project(state, announced_offers(state)))  # their events came before the trigger
        say(f"Serving {project}: up to {limit} batches at a time; Ctrl+C ends it.")
        with RelayApi(settings) as api, Relay(database, api), in_background("reconcile", partial(_reconcile, state)):
            while True:
                try:
                    asyncio.run(runner.start())
                except Exception as error:  # it gives up on an API that is away, and may meet anything else
                    log.warning("The runner ended, starting it again: %s", error)
                time.sleep(_AGAIN_S)
                runner = _patiently(applied)  # again: the server may have lost its database


def _patiently(work: Callable[[], R]) -> R:
    """Return what the work gives, trying for as long as the Prefect API is away."""
    told = False
    while True:
        try:
            return work()
        except Exception as error:  # batches stay ready meanwhile
            (log.debug if told else log.warning)("The Prefect API is away, trying again: %s", error)
            told = True
        time.sleep(_AGAIN_S)


def _reconcile(state: ProjectState, ended: threading.Event) -> None:
    """Look after units that no event brought a run for."""
    from opticstream.tasks.reconcile import reconcile_project

    told = False
    while not ended.wait(_RECONCILE_S):
        try:
            reconcile_project(state)
            told = False
        except Exception as error:  # the API or the store is away; the next look does it
            (log.debug if told else log.warning)("Reconcile waits: %s", error)
            told = True
