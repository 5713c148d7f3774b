"""The archive of one strip, on the host that keeps archives: copied, verified on both sides, then the raw data may go."""

from typing import Any

from prefect import flow

from opticstream.core.events import read_payload
from opticstream.core.lsm_events import StripReady
from opticstream.core.lsm_identifiers import StripId
from opticstream.flows.process_strip import process, run_name
from opticstream.tasks.jobs import ARCHIVE


@flow(name="archive_strip", flow_run_name="archive {project}/slice-{slice:02d}/channel-{channel:02d}/strip-{strip:04d}")
def archive_strip(
    project: str, slice: int, channel: int, strip: int, strip_path: str = "", force_rerun: bool = False
) -> dict[str, Any]:
    """Archive one strip; one that is archived already is left as it is.

    Args:
        project: project name.
        slice: slice number, from 1.
        channel: channel (camera) number, from 1.
        strip: strip number, from 1.
        strip_path: its raw folder; empty: the one the watcher registered.
        force_rerun: do it although it is done, failed or used up its attempts; an older archive is moved aside.
    """
    ident = StripId(project=project, slice=slice, channel=channel, strip=strip)
    return process(ident, ARCHIVE, strip_path, force_rerun, or_next=False)


@flow(name="archive_strip_event", flow_run_name=lambda: f"archive {run_name()}")
def archive_strip_event(payload: dict[str, Any]) -> dict[str, Any]:
    """Archive the strip a STRIP_READY event announces; if it is taken, the oldest one that waits.

    Args:
        payload: the event's payload.
    """
    ready = read_payload(StripReady, payload)
    offered = ready.dispatch_no is not None
    return process(ready.strip_ident, ARCHIVE, ready.strip_path, ready.force_rerun, or_next=True, offered=offered)
