"""One OCT tile batch: complex tiles in, volumes, enface maps and a contact sheet out."""

from typing import Any

from prefect import flow

from opticstream.core.events import BatchReady, read_payload
from opticstream.tasks.batch_work import open_oct_project
from opticstream.tasks.oct_batch import claim_batch, commit_batch, draw_contact_sheet, process_tile, verify_products
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
    with open_oct_project(project) as (state, config):
        work = claim_batch(state, config, mosaic, batch, file_list or [], force_rerun)
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


@flow(name="process_tile_batch_event_flow")
def process_tile_batch_event_flow(payload: dict[str, Any]) -> dict[str, Any]:
    """Process the batch a BATCH_READY event announces.

    Args:
        payload: the event's payload.
    """
    ready = read_payload(BatchReady, payload)
    ident = ready.batch_ident
    return process_tile_batch(ident.project, ident.mosaic, ident.batch, ready.file_list, ready.force_rerun)
