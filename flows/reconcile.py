"""Scheduled care for projects: runs for units that no event brought one for."""

from typing import Any

from prefect import flow

from opticstream.state.parents import settle_all
from opticstream.tasks.pipelines import pipeline_named
from opticstream.tasks.reconcile import reconcile_project


@flow(name="reconcile", flow_run_name="reconcile {project}")
def reconcile(project: str, pipeline: str = "oct") -> dict[str, Any]:
    """Create runs for units that are ready and that nobody came for; end runs whose process is gone.

    Args:
        project: project name.
        pipeline: ``oct`` or ``lsm``.
    """
    kind = pipeline_named(pipeline)
    with kind.open_project(project) as (state, config):
        settle_all(state.database, state.row)
        done = [reconcile_project(state, job) for job in kind.jobs(config)]
    return {name: sum(getattr(each, name) for each in done) for name in ("stalled", "in_flight", "created", "buried")}
