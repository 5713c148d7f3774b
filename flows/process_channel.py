"""One light-sheet channel: the projections, and if wanted the volumes, of its strips joined."""

from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from opticstream.core.errors import BadInput
from opticstream.core.events import read_payload
from opticstream.core.lsm_events import ChannelReady
from opticstream.core.lsm_identifiers import ChannelId
from opticstream.tasks.channel_steps import (
    claim_channel,
    commit_projections,
    draw_preview,
    stitch_projections,
    stitch_strips,
)
from opticstream.tasks.channel_work import MIP, VOLUME
from opticstream.tasks.lsm_reporting import publish_channel, telling_failure
from opticstream.tasks.pipelines import LSM


@flow(name="process_channel", flow_run_name="{project}/slice-{slice:02d}/channel-{channel:02d}")
def process_channel(project: str, slice: int, channel: int, force_rerun: bool = False) -> dict[str, Any]:
    """Join the strips of one channel; what is done already is left as it is.

    Args:
        project: project name.
        slice: slice number, from 1.
        channel: channel (camera) number, from 1.
        force_rerun: do it although it is done, failed or used up its attempts.
    """
    return _process(ChannelId(project=project, slice=slice, channel=channel), force_rerun)


def _run_name() -> str:
    try:
        ident = read_payload(ChannelReady, flow_run.parameters.get("payload") or {}).channel_ident
    except BadInput:
        return "unreadable payload"
    return f"{ident.project}/{ident.key}"


@flow(name="process_channel_event", flow_run_name=_run_name)
def process_channel_event(payload: dict[str, Any]) -> dict[str, Any]:
    """Join the strips of the channel a CHANNEL_READY event announces.

    Args:
        payload: the event's payload.
    """
    return _process(read_payload(ChannelReady, payload).channel_ident, force=False)


def _process(ident: ChannelId, force: bool) -> dict[str, Any]:
    products: dict[str, Any] = {}
    with LSM.open_project(ident.project) as (state, config), telling_failure(state, ident := state.own(ident)):
        mip = claim_channel(state, config, ident, MIP, force=force)
        if not isinstance(mip, str):
            with mip:
                stitch_projections(mip)
                draw_preview(mip)
                products[MIP] = commit_projections(mip)
            publish_channel(mip)
        volume = claim_channel(state, config, ident, VOLUME, force=force)
        if not isinstance(volume, str):
            with volume:
                products[VOLUME] = stitch_strips(volume)
    outcome = "processed" if products else str(mip)
    return {"unit": str(ident), "outcome": outcome, "products": products}
