"""What a project shows in the Prefect UI: progress tables, pictures. A failure here is a warning, never a failed run."""

import base64
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from sqlalchemy import func, select

from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.core.text import slug
from opticstream.state import ProjectState
from opticstream.state.tables import units
from opticstream.tasks.batch_work import BatchWork

log = logging.getLogger(__name__)
P = ParamSpec("P")


def _never_fatal(publish: Callable[P, None]) -> Callable[P, None]:
    """Turn any failure to publish into a warning: the products are committed, the page is not worth a rerun."""

    @wraps(publish)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            publish(*args, **kwargs)
        except Exception as error:
            log.warning("%s: not shown in the Prefect UI: %s", publish.__name__, error)

    return guarded


@task(task_run_name="publish", cache_policy=NO_CACHE)
def publish_batch(work: BatchWork) -> None:
    """Show the batch's picture and the project's progress on the run's page."""
    _publish_picture(work)
    publish_progress(work.state, work.config)


@_never_fatal
def _publish_picture(work: BatchWork) -> None:
    ident = work.ident
    picture = base64.b64encode(work.picture).decode("ascii")
    rows = "\n".join(f"- `{path}`" for path in work.products)
    create_markdown_artifact(
        key=f"{slug(ident.project)}-mosaic-{ident.mosaic:03d}-batch-{ident.batch:03d}",
        markdown=f"# {ident.project} · slice {ident.slice} · mosaic {ident.mosaic} · batch {ident.batch}\n\n"
        f"![contact sheet](data:image/png;base64,{picture})\n\n{len(work.products)} files:\n\n{rows}\n",
        description=f"Enface maps of {ident}",
    )


@_never_fatal
def publish_progress(state: ProjectState, config: PSOCTScanConfig) -> None:
    """Show how far each mosaic of the project is, as a table."""
    create_table_artifact(
        key=f"{slug(state.name)}-oct-progress",
        table=progress_table(state, config),
        description=f"Batches of {state.name} by mosaic",
    )


def progress_table(state: ProjectState, config: PSOCTScanConfig) -> list[dict[str, Any]]:
    """Return one row per mosaic: expected batches, and how many are in which status."""
    counted: dict[tuple[int, int], dict[str, int]] = {}
    with state.database.peek() as connection:
        for row in connection.execute(
            select(units.c.n1, units.c.n2, units.c.status, func.count().label("number"))
            .where(units.c.project_id == state.row.id, units.c.level == "batch")
            .group_by(units.c.n1, units.c.n2, units.c.status)
            .order_by(units.c.n1, units.c.n2)
        ):
            counted.setdefault((row.n1, row.n2), {})[row.status] = row.number
    table = []
    for (slice_, mosaic), numbers in counted.items():
        expected = config.batches_of_mosaic(mosaic)
        done = numbers.get("completed", 0)
        table.append(
            {
                "slice": slice_,
                "mosaic": mosaic,
                "batches": expected,
                "completed": done,
                "running": numbers.get("running", 0),
                "ready": numbers.get("ready", 0),
                "failed": numbers.get("failed", 0),
                "progress": f"{100 * done / expected:.0f} %",
            }
        )
    return table
