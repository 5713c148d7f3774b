"""The deployment that processes a PS-OCT project's batches, and the trigger that starts its runs."""

from typing import Any

from prefect.deployments.runner import RunnerDeployment
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger
from prefect.types.entrypoint import EntrypointType

from opticstream.core.events import BATCH_READY, PROJECT_LABEL
from opticstream.flows.process_tile_batch import process_tile_batch_event_flow
from opticstream.tasks.reconcile import deployment_name

PAYLOAD_TEMPLATE = {
    "__prefect_kind": "json",
    "value": {"__prefect_kind": "jinja", "template": "{{ event.payload | tojson }}"},
}
"""Hands the event's payload to the flow as it is; numbers stay numbers."""


def batch_trigger(project: str) -> DeploymentEventTrigger:
    """Return the trigger: every BATCH_READY of the project starts one run."""
    settings: dict[str, Any] = {
        "name": f"{deployment_name(project)}-ready",
        "expect": {BATCH_READY},
        "match": {PROJECT_LABEL: project},
        "within": 0,  # more would make it fire once per window and swallow the rest
        "threshold": 1,
        "parameters": {"payload": PAYLOAD_TEMPLATE},
    }
    return DeploymentEventTrigger.model_validate(settings)


def batch_deployment(project: str, *, triggered: bool = True) -> RunnerDeployment:
    """Return the deployment under the name that ``prefect deploy`` gives it too.

    Args:
        project: project name.
        triggered: whether events start its runs; False where ``OPTICSTREAM_DISPATCH=run``.
    """
    made = process_tile_batch_event_flow.to_deployment(
        deployment_name(project),
        triggers=[batch_trigger(project)] if triggered else [],
        description=f"Processes the tile batches of {project} when they are ready.",
        tags=["opticstream", "oct"],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    assert isinstance(made, RunnerDeployment)  # noqa: S101 (no event loop runs here, so it is no coroutine)
    return made
