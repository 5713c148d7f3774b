"""One OCT tile batch: complex tiles in, volumes, enface maps and a contact sheet out."""

from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from opticstream.core.errors import BadInput
from opticstream.core.events import BatchReady, read_payload
from opticstream.tasks.oct_batch import claim_batch, commit_batch, draw_contact_sheet, process_tile, verify_products
from opticstream.tasks.pipelines import OCT
from opticstream.tasks.reporting import publish_batch


@flow(name="process_tile_batch", flow_run_name="{project}/mosaic-{mosaic:03d}/batch-{batch:03d}")
def process_tile_batch(
    project: str, mosaic: int, batch: int, file_list: list[str] | None = None, force_rerun: bool = False
) -> dict[str, Any]:
    """Process one tile batch; a batch that is done already is left as it is.

    Args:
        project: project name.
        mosaic: logical mosaic number, from 1.
        batch: batch number within the mosaic, from 1.
        file_list: raw tiles of the batch; empty: those the watcher registered.
        force_rerun: process it although it is done, failed or used up its attempts.
    """
    return _process(project, mosaic, batch, file_list or [], force_rerun, or_next=False)


def _run_name() -> str:
    """Name the run of an event after its batch, as the manual flow's runs are."""
    try:
        ident = read_payload(BatchReady, flow_run.parameters.get("payload") or {}).batch_ident
    except BadInput:
        return "unreadable payload"
    return f"{ident.project}/mosaic-{ident.mosaic:03d}/batch-{ident.batch:03d}"


@flow(name="process_tile_batch_event_flow", flow_run_name=_run_name)
def process_tile_batch_event_flow(payload: dict[str, Any]) -> dict[str, Any]:
    """Process the batch a BATCH_READY event announces; if it is taken, the oldest one that is ready.

    Args:
        payload: the event's payload.
    """
    ready = read_payload(BatchReady, payload)
    ident = ready.batch_ident
    force = ready.force_rerun and ready.dispatch_no is None  # the gate has made it ready, whatever it was
    return _process(ident.project, ident.mosaic, ident.batch, ready.file_list, force, or_next=True)


def _process(
    project: str, mosaic: int, batch: int, file_list: list[str], force: bool, *, or_next: bool
) -> dict[str, Any]:
    with OCT.open_project(project) as (state, config):
        work = claim_batch(state, config, mosaic, batch, file_list, force, or_next)
        if isinstance(work, str):
            return {"unit": f"mosaic {mosaic} batch {batch}", "outcome": work, "products": []}
        with work:
            for tile in work.tiles:
                process_tile(work, tile)
            draw_contact_sheet(work)
            verify_products(work)
            result = commit_batch(work)
        publish_batch(work)
        return result
