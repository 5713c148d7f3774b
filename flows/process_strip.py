"""One light-sheet strip: a raw spool folder in, OME-Zarr, projection and archive out, verified; then the raw data go."""

from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from opticstream.core.errors import BadInput
from opticstream.core.events import read_payload
from opticstream.core.lsm_events import StripReady
from opticstream.core.lsm_identifiers import StripId
from opticstream.state.job import Job
from opticstream.tasks.jobs import lsm_jobs
from opticstream.tasks.lsm_reporting import publish_strip, telling_failure
from opticstream.tasks.pipelines import LSM
from opticstream.tasks.strip_cleanup import clean_up
from opticstream.tasks.strip_steps import archive, claim_strip, commit_archive, commit_products, convert


@flow(name="process_strip", flow_run_name="{project}/slice-{slice:02d}/channel-{channel:02d}/strip-{strip:04d}")
def process_strip(
    project: str, slice: int, channel: int, strip: int, strip_path: str = "", force_rerun: bool = False
) -> dict[str, Any]:
    """Process one strip; one that is done already is left as it is.

    Args:
        project: project name.
        slice: slice number, from 1.
        channel: channel (camera) number, from 1.
        strip: strip number, from 1.
        strip_path: its raw folder; empty: the one the watcher registered.
        force_rerun: process it although it is done, failed or used up its attempts.
    """
    ident = StripId(project=project, slice=slice, channel=channel, strip=strip)
    return process(ident, None, strip_path, force_rerun, or_next=False)


def run_name() -> str:
    """Name the run of an event after its strip, as the manual flow's runs are."""
    try:
        ident = read_payload(StripReady, flow_run.parameters.get("payload") or {}).strip_ident
    except BadInput:
        return "unreadable payload"
    return f"{ident.project}/{ident.key}"


@flow(name="process_strip_event", flow_run_name=run_name)
def process_strip_event(payload: dict[str, Any]) -> dict[str, Any]:
    """Process the strip a STRIP_READY event announces; if it is taken, the oldest one that is ready.

    Args:
        payload: the event's payload.
    """
    ready = read_payload(StripReady, payload)
    offered = ready.dispatch_no is not None
    return process(ready.strip_ident, None, ready.strip_path, ready.force_rerun, or_next=True, offered=offered)


def process(
    ident: StripId, job: Job | None, strip_path: str, force: bool, *, or_next: bool, offered: bool = False
) -> dict[str, Any]:
    """Do a job's stages of one strip, then clean up if nothing else is missing.

    Args:
        ident: the strip.
        job: ``ARCHIVE``, or None for what the project converts with.
        strip_path: its raw folder; empty: the registered one.
        force: also when it is done, failed or used up its attempts.
        or_next: take the oldest ready strip when this one is taken.
        offered: the gate has made it ready, so one that is done or has failed was so since, and is left as it is.
    """
    with LSM.open_project(ident.project) as (state, config), telling_failure(state, ident := state.own(ident)):
        own = job or lsm_jobs(config, "process")[0]
        work = claim_strip(
            state, config, ident, own, strip_path=strip_path, force=force, or_next=or_next, offered=offered
        )
        if isinstance(work, str):
            return {"unit": str(ident), "outcome": work, "products": {}}
        if isinstance(work, StripId):
            return {"unit": str(work), "outcome": clean_up(state, config, work), "products": {}}
        with work:
            if work.zarr:
                convert(work)
            elif work.archive:
                archive(work)
            products = {"compress": commit_products(work)} if work.zarr else {}
            if work.archive:
                products["archive"] = commit_archive(work)
        cleaned = clean_up(state, config, work.ident)
        publish_strip(work, cleaned)
        return {"unit": str(work.ident), "outcome": "processed", "raw": cleaned, "products": products}
