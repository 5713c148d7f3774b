"""The steps of one strip, each a task run in the Prefect UI."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from opticstream.core.errors import BadFile, BadInput, ClaimRefused
from opticstream.core.identifiers import UnitId
from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.lsm_identifiers import StripId
from opticstream.core.settings import load_settings
from opticstream.state import ProjectState
from opticstream.state.job import Job
from opticstream.state.offers import ready_units
from opticstream.tasks.claiming import claim_first, run_owner
from opticstream.tasks.strip_work import CLEANUP, StripWork, raw_folder


@task(task_run_name="claim", cache_policy=NO_CACHE)
def claim_strip(
    state: ProjectState,
    config: LSMScanConfig,
    ident: StripId,
    job: Job,
    *,
    strip_path: str = "",
    force: bool = False,
    or_next: bool = False,
    offered: bool = False,
) -> StripWork | StripId | str:
    """Claim this run's stages of the strip; a strip that is not registered yet is, when its folder is given.

    With ``or_next`` the run of a strip that is taken claims the oldest one that is ready instead. With ``offered``
    the gate has made the strip ready: ``force`` then takes no strip that was done or has failed since.

    Returns:
        The work to do; the strip, when only its clean-up is left; or why there is nothing for this run: ``done``,
        ``held``, ``backoff`` or ``early`` (another host's stage comes first).

    Raises:
        ClaimRefused: the strip has failed, used up its attempts, or is unknown and no folder was given.
        BadInput: the strip was registered from another folder than the one given.
    """
    if strip_path:
        source = {"strip_path": strip_path}
        found = state.register_ready(ident, fingerprint="manual", source=source, dispatch="run")
        if not (found.registered or or_next) and (force or found.status == "ready"):
            _check_folder(state, ident, Path(strip_path))
    candidates = (ident, *(ready_units(state, job) if or_next else ()))
    return claim_first(candidates, partial(_claim_stages, state, config, job, offered), force=force)


def _check_folder(state: ProjectState, ident: StripId, given: Path) -> None:
    """Refuse a folder that would not be what is processed; one that has none yet gets it."""
    view = state.peek(ident)
    if view is None or not (view.source or {}).get("strip_path"):
        with state.open(ident) as unit:
            unit.set_source({"strip_path": str(given)})
        return
    known = raw_folder(state, view.source or {})
    if given != known and not (given.exists() and known.exists() and given.samefile(known)):
        raise BadInput(
            str(given),
            found=f"another folder than {ident} was registered from",
            expected=str(known),
            action="`opticstream lsm state reset` forgets the strip; then it can be taken from here.",
        )


def _claim_stages(
    state: ProjectState, config: LSMScanConfig, job: Job, offered: bool, ident: UnitId, force: bool
) -> StripWork | StripId:
    assert isinstance(ident, StripId)  # noqa: S101 (the job's units are strips)
    owner = run_owner(job.flow)
    left = state.unfinished(ident)
    anyhow = force and not offered
    if left == {CLEANUP} and not anyhow:
        return ident
    own = [name for name in job.stages if name in config.strip_stages and name != CLEANUP]
    wanted = [name for name in own if name in left] or own[:1]
    claims = [state.claim(ident, wanted[0], owner=owner, force=anyhow)]
    for stage in wanted[1:]:
        try:
            claims.append(state.claim(ident, stage, owner=owner, force=anyhow))
        except ClaimRefused as problem:  # another run has it; each stage is committed by itself
            get_run_logger().info("%s", problem)
        except BaseException:
            state.release(claims[0])
            raise
    return StripWork(state, config, *claims, force=force)


@task(task_run_name="convert", cache_policy=NO_CACHE)
def convert(work: StripWork) -> None:
    """Read the raw files once; write OME-Zarr, projection and, if it is this run's, the archive from the same bytes."""
    from opticstream.imaging.archive import list_folder
    from opticstream.imaging.kernel_cache import use_kernel_cache
    from opticstream.imaging.lsm import convert_strip, open_spool

    assert work.zarr and work.files  # noqa: S101 (only called with a claim of this stage)
    config = work.config
    use_kernel_cache(load_settings().kernels)
    work.states = list_folder(work.folder).files
    strip = open_spool(work.folder, work.info)
    _check_size(work, sum(state.size for state in work.states.values()))
    with ExitStack() as stack:
        stack.enter_context(work.naming_products())
        stack.enter_context(_on_cpus(config.cpu_affinity))
        mip = stack.enter_context(work.files.writing(work.mip)) if work.mip else None
        writer = stack.enter_context(_archive_writer(work)) if work.archive else None
        work.record = convert_strip(
            strip,
            work.zarr.folder,
            mip=mip,
            options=config.zarr,
            voxel_size_um=config.voxel_size_um,
            name=work.zarr.final.name,
            checksum="none" if writer else config.checksum,
            sink=writer,
            workers=work.config.num_workers,
            progress=work.progress("convert"),
            check=work.check,
        )
        if writer:
            writer.finish()
    get_run_logger().info("%s: %s", work.folder.name, work.record)


@task(task_run_name="archive", cache_policy=NO_CACHE)
def archive(work: StripWork) -> None:
    """Copy the raw folder into the archive, where no conversion did it in passing."""
    from opticstream.imaging.archive import list_folder

    work.states = list_folder(work.folder).files
    with work.naming_products(), _archive_writer(work, shown=True) as writer:
        manifest = writer.finish()
    get_run_logger().info("%s: %d files, %.1f MB", work.folder.name, len(manifest.files), manifest.nbytes / 1e6)


@task(task_run_name="verify products", cache_policy=NO_CACHE)
def commit_products(work: StripWork) -> dict[str, Any]:
    """Read Zarr and projection back from the disk, compare them with what was read, and publish them.

    Where the Zarr will be the only copy, the raw files are read again for this, too.

    Raises:
        BadFile: a product is not what was written, or the raw folder changed meanwhile; the raw data stay.
        ClaimLost: another worker took over; nothing was published.
    """
    from opticstream.imaging.lsm import open_spool, verify_strip

    assert work.zarr and work.files and work.record  # noqa: S101 (converted just before)
    mip = work.files.path(work.mip) if work.mip else None
    strip = open_spool(work.folder, work.info)
    last_copy = work.config.strip_cleanup_action == "delete" and work.config.archive_path is None
    raw = strip if last_copy else None
    with _on_cpus(work.config.cpu_affinity):
        found = verify_strip(
            work.zarr.folder, mip, work.record, against=raw, workers=work.config.num_workers, check=work.check
        )
    if not found.verified:
        raise BadFile(
            str(work.zarr.final),
            found="; ".join(found.problems[:3]),
            expected="what was written, read back from the disk",
            action="The raw data stay. Check the disk, then retry.",
        )
    _check_unchanged(work)
    result = {
        "verified": found.verified,
        "zarr": str(work.zarr.final),
        "mip": str(work.mip) if work.mip else None,
        "spool_files": [file.path.name for file in strip.files],
        "record": work.record.as_json(),
    }
    work.commit_compressed(result)
    return result


@task(task_run_name="verify archive", cache_policy=NO_CACHE)
def commit_archive(work: StripWork) -> dict[str, Any]:
    """Read the archive back from the disk, compare it with what was read from the raw folder, and publish it.

    Raises:
        BadFile: the copy differs; the raw data stay.
        BadInput: another session's archive has this strip's name.
        ClaimLost: another worker took over; nothing was published.
    """
    from opticstream.imaging.archive import find_earlier_archive, verify_archive

    assert work.archive  # noqa: S101 (archived just before)
    staging, final = work.archive.folder, work.archive.final
    progress = work.progress("verify archive")
    found = verify_archive(staging, check=work.check, progress=progress).require()
    earlier = find_earlier_archive(staging, final, force=work.force, check=work.check, progress=progress)
    work.archived = earlier or found
    result = work.archived.as_json() | {"folder": str(final)}
    work.commit_archived(result, kept=earlier is not None)
    return result


@contextmanager
def _archive_writer(work: StripWork, *, shown: bool = False) -> Iterator[Any]:
    """Yield the writer of the archive's copy; its progress is shown where no conversion's is."""
    from opticstream.imaging.archive import ArchiveWriter

    assert work.archive  # noqa: S101 (only called with a claim of that stage)
    work.archive.final.parent.mkdir(parents=True, exist_ok=True)
    with ArchiveWriter(
        work.folder,
        work.archive.folder,
        rate_limit_mb_s=work.config.archive_rate_limit,
        check=work.check,
        progress=work.progress("archive") if shown else None,
    ) as writer:
        yield writer


@contextmanager
def _on_cpus(cpu_affinity: tuple[int, int] | None) -> Iterator[None]:
    """Keep this thread, and those it starts, on some CPUs meanwhile, where the system can."""
    if cpu_affinity is None:
        yield
        return
    wanted = set(range(*cpu_affinity)) & set(range(psutil.cpu_count() or 1))
    before = _affinity(wanted)
    try:
        yield
    finally:
        _affinity(before)


def _affinity(wanted: set[int]) -> set[int]:
    """Set the CPUs of this thread (Linux) or process (Windows); return those before."""
    if hasattr(os, "sched_setaffinity"):
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, wanted or before)
        return set(before)
    process = psutil.Process()
    if not hasattr(process, "cpu_affinity"):  # macOS has none
        return set()
    previous = process.cpu_affinity()
    process.cpu_affinity(sorted(wanted) or previous)
    return set(previous)


def _check_size(work: StripWork, nbytes: int) -> None:
    least = work.config.strip_folder_size_threshold * 1e9
    if nbytes < least:
        raise BadFile(
            str(work.folder),
            found=f"{nbytes / 1e9:.3f} GB",
            expected=f"at least {least / 1e9:g} GB",
            action="Check the acquisition, or lower strip_folder_size_threshold.",
        )


def _check_unchanged(work: StripWork) -> None:
    """Compare the raw folder with how it was before it was read.

    Raises:
        BadFile: a file came, went or changed, so the products are of no strip that ever was.
    """
    from opticstream.imaging.archive import changes, list_folder

    if differs := changes(work.states, list_folder(work.folder).files):
        raise BadFile(
            str(work.folder),
            found=str(differs),
            expected="a folder that nobody writes to",
            action="The folder changed while it was converted; retry when the acquisition has ended.",
        )
