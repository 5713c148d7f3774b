"""The steps of one tile batch, each a task run in the Prefect UI."""

from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from opticstream.core.errors import BadFile, BadInput
from opticstream.core.events import BATCH_PROCESSED
from opticstream.core.files import sync_file
from opticstream.core.identifiers import BatchId
from opticstream.core.oct_layout import ENFACE_MODALITIES, VOLUME_MODALITIES, batch_id
from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.core.settings import load_settings
from opticstream.state import ProjectState
from opticstream.state.offers import ready_units
from opticstream.tasks.batch_work import BatchWork, Tile
from opticstream.tasks.claiming import claim_first, run_owner
from opticstream.tasks.jobs import BATCHES

STAGE = "process"


@task(task_run_name="claim", cache_policy=NO_CACHE)
def claim_batch(
    state: ProjectState,
    config: PSOCTScanConfig,
    mosaic: int,
    batch: int,
    file_list: list[str],
    force: bool,
    or_next: bool = False,
) -> BatchWork | str:
    """Claim the batch for this run; a batch that is not registered yet is, when its files are given.

    With ``or_next`` the run of a batch that is taken claims the oldest one that is ready instead, so that no run is
    made for nothing.

    Returns:
        The work to do, or why there is none for this run: ``done``, ``held`` or ``backoff``.

    Raises:
        ClaimRefused: the batch has failed, used up its attempts, or is unknown and no files were given.
        BadInput: the batch was registered with other files than those given.
    """
    ident = batch_id(state.name, mosaic, batch, config.mosaics_per_slice)
    if file_list:
        source = {"file_list": file_list, "project_base_path": str(config.project_base_path)}
        found = state.register_ready(ident, fingerprint="manual", source=source, dispatch="run")
        if not (found.registered or or_next) and (force or found.status == "ready"):
            _check_files(state, ident, file_list)
    owner = run_owner("process_tile_batch")
    return claim_first(
        (ident, *(ready_units(state, BATCHES) if or_next else ())),
        lambda candidate, forced: BatchWork(state, config, state.claim(candidate, STAGE, owner=owner, force=forced)),
        force=force,
    )


def _check_files(state: ProjectState, ident: BatchId, given: list[str]) -> None:
    """Refuse files that would not be what is processed; a batch that has none yet gets them."""
    view = state.peek(ident)
    known = ((view.source if view else None) or {}).get("file_list")
    if not known:
        with state.open(ident) as unit:
            unit.set_source({"file_list": given})
    elif {Path(name) for name in given} != {Path(name) for name in known}:
        raise BadInput(
            f"file_list of {ident}",
            found="other files than it was registered with",
            expected=", ".join(known),
            action="`opticstream oct state reset` forgets the batch; then it can be taken from these.",
        )


@task(task_run_name="tile {tile.number}", cache_policy=NO_CACHE)
def process_tile(work: BatchWork, tile: Tile) -> None:
    """Read one tile once; write its volumes and enface maps under temporary names."""
    from opticstream.imaging.nifti import write_nifti
    from opticstream.imaging.psoct import use_kernel_cache
    from opticstream.tasks.tile_products import write_volumes

    use_kernel_cache(load_settings().kernels)
    enface_maps = write_volumes(work, tile)
    voxel = work.config.acquisition.scan_resolution_3d
    for enface in work.config.enface_modalities:
        with work.writing_product(tile, enface) as path:
            write_nifti(path, enface_maps[enface], voxel, description=enface)
    work.enface[tile.number] = enface_maps
    get_run_logger().info("%s: %d products", tile.path.name, len(work.products))


@task(task_run_name="contact sheet", cache_policy=NO_CACHE)
def draw_contact_sheet(work: BatchWork) -> None:
    """Draw every tile's enface maps into one PNG."""
    from opticstream.imaging.contact_sheet import contact_sheet

    numbers = sorted(work.enface)
    work.picture = contact_sheet(
        [work.enface[number] for number in numbers],
        labels=[f"tile {number}" for number in numbers],
        title=f"{work.ident.project}  mosaic {work.ident.mosaic}  batch {work.ident.batch}",
    )
    with work.writing_contact_sheet() as path, path.open("wb") as handle:
        handle.write(work.picture)
        sync_file(handle)


@task(task_run_name="verify", cache_policy=NO_CACHE)
def verify_products(work: BatchWork) -> int:
    """Read back what was written; return the number of files.

    Raises:
        BadFile: a product is not whole, has another shape than its siblings, or an enface map holds no number.
    """
    import numpy as np

    from opticstream.imaging.nifti import map_nifti, read_nifti_info

    shapes: dict[str, tuple[int, ...]] = {}
    for final in work.products:
        if final.suffix != ".nii":
            continue
        written = work.staged(final)
        shape = read_nifti_info(written).shape
        modality = final.stem.rpartition("_")[2]
        sort = "enface" if modality in ENFACE_MODALITIES else "volume" if modality in VOLUME_MODALITIES else modality
        if shapes.setdefault(sort, shape) != shape:
            raise BadFile(str(final), found=f"shape {shape}", expected=f"{shapes[sort]} like the batch's other tiles")
        if sort == "enface" and not np.isfinite(map_nifti(written)).any():
            raise BadFile(
                str(final), found="no finite number", expected="an enface map", action="Look at the raw tile."
            )
    return len(work.products)


@task(task_run_name="commit", cache_policy=NO_CACHE)
def commit_batch(work: BatchWork) -> dict[str, Any]:
    """Publish the products and complete the batch, in one transaction that checks the claim.

    Raises:
        ClaimLost: another worker took over; nothing was published.
    """
    work.commit(BATCH_PROCESSED)
    return {"unit": str(work.ident), "outcome": "processed", "products": [str(path) for path in work.products]}
