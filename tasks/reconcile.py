"""Runs for units that no event brought one for, and the end of runs whose process is gone."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from opticstream.core.text import sendable
from opticstream.state import ProjectState
from opticstream.state.job import Job
from opticstream.state.offers import Offer, offer_again, owners, stalled_offers

log = logging.getLogger(__name__)

_IN_FLIGHT = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING]
_BEGUN = {StateType.PENDING, StateType.RUNNING, StateType.CANCELLING}
_ENOUGH = 16
"""Runs in flight beyond which none is added."""
_PAGE = 200
_SILENT_S = 20.0
"""A run that has begun and holds no claim after this long, or a lease if that is longer, is taken for dead."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What one look at a project did."""

    stalled: int
    """Units a run should have come for."""
    in_flight: int
    """Runs of the deployment that are not over."""
    created: int
    buried: int
    """Runs whose process is gone, marked as crashed."""


def reconcile_project(state: ProjectState, job: Job, offers: list[Offer] | None = None) -> Reconciled:
    """Create runs of one job for stalled units, never more than are missing, and few at a time.

    Args:
        state: the project.
        job: what the deployment does.
        offers: the units that need a run; None: those that nobody came for in time.

    Raises:
        httpx.HTTPError: the Prefect API does not answer; nothing is lost, the next look does it.
    """
    if offers is None:
        offers = stalled_offers(state, job)
    with get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(f"{job.flow}/{job.deployment(state.name)}").id
        except ObjectNotFound:
            return Reconciled(len(offers), 0, 0, 0)
        runs = _runs_in_flight(client, deployment)
        dead = _silent_runs(state, job, runs)
        for run in dead:
            client.set_flow_run_state(run.id, Crashed(message="Its process is gone."), force=True)
        living = len(runs) - len(dead)
        # Runs take any unit that is ready, so a few are enough to keep workers busy: under a backlog the triggers are
        # only slow, and a run for each unit that waits would find nothing to do when they catch up.
        missing = min(len(offers) - living, _ENOUGH - living)
        created = 0
        for offer in offers[: max(0, missing)]:
            created += _create_run(client, deployment, state, job, offer)
    if created or dead:
        name = job.deployment(state.name)
        log.info("%s: %d units had no run, %d made; %d dead runs ended", name, len(offers), created, len(dead))
    return Reconciled(len(offers), living, created, len(dead))


def _runs_in_flight(client: SyncPrefectClient, deployment: UUID) -> list[FlowRun]:
    runs: list[FlowRun] = []
    while True:
        page = client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])),
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_IN_FLIGHT))),
            limit=_PAGE,
            offset=len(runs),
        )
        runs += page
        if len(page) < _PAGE:
            return runs


def _silent_runs(state: ProjectState, job: Job, runs: list[FlowRun]) -> list[FlowRun]:
    """Return the runs whose process is gone, and those that began long ago and hold no claim."""
    before = datetime.now(UTC) - timedelta(seconds=max(_SILENT_S, state.database.settings.lease_s))
    living, gone = (" ".join(names) for names in owners(state, job))

    def is_silent(run: FlowRun) -> bool:
        if run.state is None or run.state.type not in _BEGUN:
            return False
        return str(run.id) in gone or (run.state.timestamp < before and str(run.id) not in living)

    return [run for run in runs if is_silent(run)]


def _create_run(client: SyncPrefectClient, deployment: UUID, state: ProjectState, job: Job, offer: Offer) -> bool:
    run = _run_of(client, deployment, state, job, offer)
    if run.state is None or not run.state.is_final():
        return True
    # The run of this number is over and the unit is still there: it needs another one.
    fresh = offer_again(state, offer)
    if fresh is None:
        return False
    _run_of(client, deployment, state, job, fresh)
    return True


def _run_of(client: SyncPrefectClient, deployment: UUID, state: ProjectState, job: Job, offer: Offer) -> FlowRun:
    """Return the run of an offer; the same offer has one run, whoever asks for it."""
    level = state.tree.level(offer.ident)
    payload: dict[str, Any] = {level.payload_key: offer.ident.model_dump(mode="json"), **offer.source}
    return client.create_flow_run_from_deployment(
        deployment,
        parameters={"payload": sendable(payload)},
        idempotency_key=f"{offer.ident}/{job.stages[0]}/{offer.dispatch_no}",
    )
