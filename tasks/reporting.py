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


def never_fatal(publish: Callable[P, None]) -> Callable[P, None]:
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


@never_fatal
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


@never_fatal
def publish_progress(state: ProjectState, config: PSOCTScanConfig) -> None:
    """Show how far each mosaic of the project is, as a table."""
    create_table_artifact(
        key=f"{slug(state.name)}-oct-progress",
        table=progress_table(state, config),
        description=f"Batches of {state.name} by mosaic",
    )


def progress_table(state: ProjectState, config: PSOCTScanConfig) -> list[dict[str, Any]]:
    """Return one row per mosaic: expected batches, and how many are in which status."""
    return [
        progress_row({"slice": slice_, "mosaic": mosaic}, "batches", config.batches_of_mosaic(mosaic), numbers)
        for (slice_, mosaic), numbers in leaves_by_parent(state).items()
    ]


def leaves_by_parent(state: ProjectState) -> dict[tuple[int, int], dict[str, int]]:
    """Return how many of the innermost units are in which status, by the two numbers of their parent."""
    counted: dict[tuple[int, int], dict[str, int]] = {}
    with state.database.peek() as connection:
        for row in connection.execute(
            select(units.c.n1, units.c.n2, units.c.status, func.count().label("number"))
            .where(units.c.project_id == state.row.id, units.c.level == state.tree.leaf.name)
            .group_by(units.c.n1, units.c.n2, units.c.status)
            .order_by(units.c.n1, units.c.n2)
        ):
            counted.setdefault((row.n1, row.n2), {})[row.status] = row.number
    return counted


def progress_row(parent: dict[str, int], noun: str, expected: int, numbers: dict[str, int]) -> dict[str, Any]:
    """Return one row of a progress table: the parent, how many units it should have, and how far they are."""
    done = numbers.get("completed", 0)
    counted = {status: numbers.get(status, 0) for status in ("completed", "running", "ready", "failed")}
    return {**parent, noun: expected, **counted, "progress": f"{100 * done / expected:.0f} %"}
