"""``opticstream oct serve`` and ``lsm serve``: this process runs a project's units when they are ready."""

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial

from opticstream.core.background import in_background
from opticstream.core.settings import Settings
from opticstream.deployments.relay import Relay
from opticstream.deployments.relay_api import RelayApi
from opticstream.deployments.serving import patiently, run_for_ever
from opticstream.state import ProjectState
from opticstream.state.job import Job
from opticstream.state.offers import announced_offers
from opticstream.state.parents import settle_all

log = logging.getLogger(__name__)

_QUERY_S = 0.5
"""How often the API is asked for runs; Prefect's own 10 s would be most of the wait."""
_RECONCILE_S = 10.0


def serve_project(
    settings: Settings,
    state: ProjectState,
    jobs: Sequence[Job],
    *,
    limit: int,
    warm: Callable[[], object],
    say: Callable[[str], None],
) -> None:
    """Serve a project's deployments until a signal; runs in progress give their units back.

    Each run is a process of its own, so the calling script needs a ``__main__`` guard.

    Args:
        settings: of this process.
        state: the project's.
        jobs: what is done here.
        limit: runs at a time.
        warm: compiles the kernels, once, so that no run does.
        say: is told in one line what is served.
    """
    from opticstream.deployments.job_deployment import job_deployment
    from opticstream.deployments.runner import UntilSignal

    project, database = state.name, state.database
    warm()

    def applied() -> UntilSignal:
        runner = UntilSignal(
            name=f"opticstream-{project}", query_seconds=_QUERY_S, limit=limit, pause_on_shutdown=False
        )
        for job in jobs:
            runner.add_deployment(job_deployment(job, project, triggered=settings.dispatch == "event"))
        return runner

    with contextlib.suppress(KeyboardInterrupt), UntilSignal.on_interrupt():
        runner = patiently(applied)
        for job in jobs:  # whose events came before the trigger
            patiently(partial(_take_announced, state, job))
        nouns = " and ".join(job.noun for job in jobs)
        say(f"Serving {project}: {nouns}, up to {limit} at a time; Ctrl+C ends it.")
        care = partial(_reconcile, state, jobs)
        with RelayApi(settings) as api, Relay(database, api), in_background("reconcile", care):
            run_for_ever(runner, applied)


def _take_announced(state: ProjectState, job: Job) -> None:
    from opticstream.tasks.reconcile import reconcile_project

    reconcile_project(state, job, announced_offers(state, job))


def _reconcile(state: ProjectState, jobs: Sequence[Job], ended: threading.Event) -> None:
    """Look after units that no event brought a run for."""
    from opticstream.tasks.reconcile import reconcile_project

    told = False
    while not ended.wait(_RECONCILE_S):
        try:
            settle_all(state.database, state.row)
            for job in jobs:
                reconcile_project(state, job)
            told = False
        except Exception as error:  # the API or the store is away; the next look does it
            (log.debug if told else log.warning)("Reconcile waits: %s", error)
            told = True
