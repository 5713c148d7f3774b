"""The steps of one channel, each a task run in the Prefect UI."""

from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from opticstream.core.files import sync_file
from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.lsm_events import CHANNEL_MIP_STITCHED, CHANNEL_VOLUME_STITCHED
from opticstream.core.lsm_identifiers import ChannelId
from opticstream.core.settings import load_settings
from opticstream.state import ProjectState
from opticstream.tasks.channel_work import MIP, ChannelWork
from opticstream.tasks.claiming import claim_first, run_owner


@task(task_run_name="claim {stage}", cache_policy=NO_CACHE)
def claim_channel(
    state: ProjectState, config: LSMScanConfig, ident: ChannelId, stage: str, *, force: bool = False
) -> ChannelWork | str:
    """Claim a stage of the channel for this run.

    Returns:
        The work to do, or why there is none for this run: ``done``, ``held``, ``backoff``, or ``not wanted``.

    Raises:
        ClaimRefused: the channel is not ready, has failed, or used up its attempts.
    """
    if stage not in config.channel_stages:
        return "not wanted"
    owner = run_owner("process_channel")
    return claim_first(
        (ident,),
        lambda channel, forced: ChannelWork(state, config, state.claim(channel, stage, owner=owner, force=forced)),
        force=force,
    )


@task(task_run_name="stitch projections", cache_policy=NO_CACHE)
def stitch_projections(work: ChannelWork) -> None:
    """Join the strips' projections into one image."""
    from opticstream.imaging.lsm_stitch import stitch_mips

    config = work.config
    mips = work.strip_products("mip")
    with work.files.writing(work.mip_path) as path:
        work.record = stitch_mips(
            mips,
            path,
            overlap_percent=config.strip_overlap,
            voxel_size_um=config.voxel_size_um[1:],
            check=work.check,
        )
    get_run_logger().info("%d strips joined: %s", len(mips), work.record)


@task(task_run_name="preview", cache_policy=NO_CACHE)
def draw_preview(work: ChannelWork) -> None:
    """Draw the joined projection as a picture for people."""
    from opticstream.imaging.lsm_preview import mip_preview

    config = work.config
    work.picture = mip_preview(
        work.files.path(work.mip_path),
        window=config.output_mip_preview_window,
        voxel_size_um=config.voxel_size_um[1:],
        title=f"{work.ident.project}  slice {work.ident.slice}  channel {work.ident.channel}",
    )
    with work.files.writing(work.preview_path) as path, path.open("wb") as handle:
        handle.write(work.picture)
        sync_file(handle)


@task(task_run_name="commit projections", cache_policy=NO_CACHE)
def commit_projections(work: ChannelWork) -> dict[str, Any]:
    """Publish image and preview, and complete the stage."""
    assert work.record is not None  # noqa: S101 (stitched just before)
    result = {"verified": True, "mip": str(work.mip_path), "preview": str(work.preview_path), **work.record.as_json()}
    extra = {"mip_stitched_path": str(work.mip_path), "mip_count": len(work.record.positions)}
    work.commit("mip_stitched", CHANNEL_MIP_STITCHED, extra, result)
    return result


@task(task_run_name="stitch volume", cache_policy=NO_CACHE)
def stitch_strips(work: ChannelWork) -> dict[str, Any]:
    """Join the strips' volumes into one OME-Zarr where their projections were found to lie, and publish it."""
    from opticstream.imaging.kernel_cache import use_kernel_cache
    from opticstream.imaging.lsm_volume import nominal_positions, stitch_volume

    assert work.volume is not None  # noqa: S101 (only called with a claim of this stage)
    config = work.config
    use_kernel_cache(load_settings().kernels)
    strips = work.strip_products("zarr")
    joined = work.state.results(work.ident).get(MIP)
    positions = joined["positions"] if joined else nominal_positions(strips, config.strip_overlap)
    record = stitch_volume(
        strips,
        work.volume.folder,
        [(y, x) for y, x in positions],
        options=config.zarr,
        voxel_size_um=config.voxel_size_um,
        name=work.volume.final.name,
        check=work.check,
        progress=work.progress("stitch volume"),
    )
    result = {"verified": True, "volume": str(work.volume.final), **record.as_json()}
    work.commit("volume_stitched", CHANNEL_VOLUME_STITCHED, {"volume_path": str(work.volume.final)}, result)
    return result
