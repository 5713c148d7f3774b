"""Scheduled care for projects: runs for units that no event brought one for."""

from typing import Any

from prefect import flow

from opticstream.tasks.batch_work import open_oct_project
from opticstream.tasks.reconcile import reconcile_project


@flow(name="reconcile", flow_run_name="reconcile {project}")
def reconcile(project: str) -> dict[str, Any]:
    """Create runs for units that are ready and that nobody came for; end runs whose process is gone.

    Args:
        project: project name.
    """
    with open_oct_project(project) as (state, _):
        done = reconcile_project(state)
    return {"stalled": done.stalled, "in_flight": done.in_flight, "created": done.created, "buried": done.buried}
