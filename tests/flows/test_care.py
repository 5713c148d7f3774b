"""Scheduled care: reconcile makes the runs that are missing, reprocess offers again what failed or was never seen."""

import os
from collections.abc import Iterator
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.states import Completed, Running
from sqlalchemy import select, update

from opticstream.core.events import BATCH_READY
from opticstream.core.oct_layout import batch_id
from opticstream.deployments.job_deployment import job_deployment
from opticstream.flows.reconcile import reconcile
from opticstream.flows.reprocess import reprocess
from opticstream.state.outbox import lease_events, mark_sent
from opticstream.state.tables import claims, outbox, units
from opticstream.tasks.jobs import BATCHES
from support.brain import Brain
from support.oct_folder import write_batch


@pytest.fixture
def client(brain: Brain) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as opened:
        yield opened


@pytest.fixture
def deployment(client: SyncPrefectClient) -> Iterator[UUID]:
    """Return the project's deployment, which nobody serves."""
    made = job_deployment(BATCHES, "brain").apply()
    assert isinstance(made, UUID)
    yield made
    client.delete_deployment(made)


def runs(client: SyncPrefectClient, deployment: UUID) -> list[FlowRun]:
    return client.read_flow_runs(deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])))


def announce(brain: Brain, *batches: int) -> None:
    """Make batches ready for a deployment, long ago."""
    for batch in batches:
        source = {"file_list": [f"{batch}.nii"], "project_base_path": "/p"}
        brain.state.register_ready(brain.ident(batch), fingerprint="f", source=source, dispatch="event")
    with brain.database.write("test") as connection:
        connection.execute(update(units).values(updated_at=1.0))


def test_without_a_deployment_it_only_counts(brain: Brain) -> None:
    announce(brain, 1)
    assert reconcile("brain") == {"stalled": 1, "in_flight": 0, "created": 0, "buried": 0}


def test_each_stalled_batch_gets_one_run_however_often_it_looks(
    brain: Brain, client: SyncPrefectClient, deployment: UUID
) -> None:
    announce(brain, 1, 2)
    assert reconcile("brain")["created"] == 2
    assert reconcile("brain") == {"stalled": 2, "in_flight": 2, "created": 0, "buried": 0}
    payloads = sorted(run.parameters["payload"]["file_list"][0] for run in runs(client, deployment))
    assert payloads == ["1.nii", "2.nii"]


def test_a_path_that_is_not_unicode_gets_its_run_too(brain: Brain, client: SyncPrefectClient, deployment: UUID) -> None:
    source = {"file_list": ["caf\udce9.nii"], "project_base_path": "/p"}
    brain.state.register_ready(brain.ident(), fingerprint="f", source=source, dispatch="run")
    assert reconcile("brain")["created"] == 1
    assert [run.parameters["payload"]["file_list"] for run in runs(client, deployment)] == [["caf\ufffd.nii"]]


def test_a_fresh_batch_is_left_to_its_event(brain: Brain, deployment: UUID) -> None:
    brain.state.register_ready(brain.ident(), fingerprint="f", source={}, dispatch="event")
    assert reconcile("brain")["stalled"] == 0
    brain.state.register_ready(brain.ident(2), fingerprint="f", source={}, dispatch="run")  # nothing else makes its run
    assert reconcile("brain")["created"] == 1


def test_an_event_that_was_posted_late_has_its_time(brain: Brain, deployment: UUID) -> None:
    """The API was away for long: what it is told now brings its own runs, as it does for a fresh batch."""
    announce(brain, 1, 2)
    (first, _) = lease_events(brain.database, 60)
    mark_sent(brain.database, [first.id], 60)
    assert reconcile("brain")["stalled"] == 1
    with brain.database.write("test") as connection:
        connection.execute(update(outbox).values(sent_at=2.0))
    mark_sent(brain.database, [first.id], 60)  # posted again since it was not found: the first time counts
    assert reconcile("brain")["stalled"] == 2


def test_a_batch_whose_run_is_over_gets_another_one(brain: Brain, client: SyncPrefectClient, deployment: UUID) -> None:
    announce(brain, 1)
    reconcile("brain")
    (first,) = runs(client, deployment)
    client.set_flow_run_state(first.id, Completed(), force=True)
    assert reconcile("brain")["created"] == 1
    assert brain.row().dispatch_no == 2 and len(runs(client, deployment)) == 2


def test_a_run_whose_process_is_gone_is_ended_and_replaced(
    brain: Brain, client: SyncPrefectClient, deployment: UUID
) -> None:
    announce(brain, 1)
    reconcile("brain")
    (first,) = runs(client, deployment)
    client.set_flow_run_state(first.id, Running(), force=True)
    brain.state.claim(brain.ident(), "process", owner=f"brain/mosaic-001/batch-001 {first.id}")
    assert reconcile("brain") == {"stalled": 0, "in_flight": 1, "created": 0, "buried": 0}
    with brain.database.write("test") as connection:
        connection.execute(update(claims).values(birth="another life"))
    done = reconcile("brain")
    assert (done["stalled"], done["created"], done["buried"]) == (1, 1, 1)
    states = {run.id: run.state_type for run in runs(client, deployment)}
    assert states.pop(first.id) == "CRASHED" and set(states.values()) == {"SCHEDULED"}


def test_reprocess_offers_what_failed_and_what_was_never_seen(brain: Brain) -> None:
    announce(brain, 1)
    brain.state.fail(brain.state.claim(brain.ident(1), "process", owner="t"), "no disk")
    for tile in write_batch(brain.tiles, 1, 2):
        stamp = tile.stat().st_mtime - 3600

        os.utime(tile, (stamp, stamp))
    result = reprocess("brain", brain.tiles, "1:1")
    assert result == {"failed": 1, "missing": 1, "created": 0}
    assert brain.row(1).status == brain.row(2).status == "ready"
    with brain.database.peek() as connection:
        announced = connection.execute(select(outbox.c.resource).where(outbox.c.event == BATCH_READY)).scalars().all()
    assert sorted(announced) == [str(batch_id("brain", 1, batch, 2)) for batch in (1, 1, 2)]
