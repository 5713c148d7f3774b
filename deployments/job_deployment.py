"""The deployment that does one job for a project, and the trigger that starts its runs."""

from importlib import import_module
from typing import Any

from prefect import Flow
from prefect.deployments.runner import RunnerDeployment
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger
from prefect.types.entrypoint import EntrypointType

from opticstream.core.events import PROJECT_LABEL
from opticstream.state.job import Job

PAYLOAD_TEMPLATE = {
    "__prefect_kind": "json",
    "value": {"__prefect_kind": "jinja", "template": "{{ event.payload | tojson }}"},
}
"""Hands the event's payload to the flow as it is; numbers stay numbers."""


def job_trigger(job: Job, project: str) -> DeploymentEventTrigger:
    """Return the trigger: every event of the job's kind in the project starts one run."""
    settings: dict[str, Any] = {
        "name": f"{job.deployment(project)}-ready",
        "expect": {job.event},
        "match": {PROJECT_LABEL: project},
        "within": 0,  # more would make it fire once per window and swallow the rest
        "threshold": 1,
        "parameters": {"payload": PAYLOAD_TEMPLATE},
    }
    return DeploymentEventTrigger.model_validate(settings)


def job_deployment(job: Job, project: str, *, triggered: bool = True) -> RunnerDeployment:
    """Return the deployment under the name that ``prefect deploy`` gives it too.

    Args:
        job: what it does.
        project: project name.
        triggered: whether events start its runs; False where ``OPTICSTREAM_DISPATCH=run``.
    """
    module, _, name = job.entrypoint.partition(":")
    flow: Flow[..., Any] = getattr(import_module(module), name)
    made = flow.to_deployment(
        job.deployment(project),
        triggers=[job_trigger(job, project)] if triggered else [],
        description=f"Processes the {job.noun} of {project} when they are ready.",
        tags=["opticstream", job.pipeline],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    assert isinstance(made, RunnerDeployment)  # noqa: S101 (no event loop runs here, so it is no coroutine)
    return made
