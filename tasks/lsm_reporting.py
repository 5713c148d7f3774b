"""What a light-sheet project shows in the Prefect UI, and whom it tells; none of it ever fails a strip."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from opticstream.core.errors import ClaimLost, ClaimRefused
from opticstream.core.identifiers import UnitId
from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.text import slug
from opticstream.state import ProjectState
from opticstream.tasks.channel_work import ChannelWork
from opticstream.tasks.notifications import notify
from opticstream.tasks.progress import somebody_listens
from opticstream.tasks.reporting import leaves_by_parent, never_fatal, progress_row
from opticstream.tasks.strip_cleanup import raw_data_in_words
from opticstream.tasks.strip_work import StripWork


@contextmanager
def telling_failure(state: ProjectState, ident: UnitId) -> Iterator[None]:
    """Notify the project's people of an error that ends the body, and raise it again."""
    try:
        yield
    except (ClaimLost, ClaimRefused):
        raise  # a successor is at work, or nothing was begun
    except Exception as error:
        # A watch or a command that runs the flow itself tells the operator.
        notify(state.name, f"{ident} failed", str(error), "failure", logged=not somebody_listens())
        raise


@task(task_run_name="publish", cache_policy=NO_CACHE)
def publish_strip(work: StripWork, cleaned: str) -> None:
    """Show the strip's projection and numbers, and the project's progress, on the run's page; tell its people."""
    _publish_strip_page(work, cleaned)
    publish_strip_progress(work.state, work.config)
    _notify_strip(work, cleaned)


@never_fatal
def _notify_strip(work: StripWork, cleaned: str) -> None:
    parts = [f"raw data {raw_data_in_words(cleaned)}"]
    if work.record is not None:
        record = work.record
        parts.append(f"{record.raw_bytes / 1e6:.0f} MB, {record.ratio:.2f} times smaller, verified")
    if work.archived is not None:
        parts.append(f"archive of {work.archived.files} files, verified")
    notify(work.ident.project, f"{work.ident} processed", "; ".join(parts), "success")


@never_fatal
def _publish_strip_page(work: StripWork, cleaned: str) -> None:
    from opticstream.imaging.lsm_preview import mip_preview

    ident = work.ident
    table = "\n".join(f"| {row['what']} | {row['value']} |" for row in strip_numbers(work, cleaned))
    picture = ""
    if work.mip is not None and work.record is not None:
        png = mip_preview(
            work.mip,
            window=work.config.output_mip_preview_window,
            voxel_size_um=work.config.voxel_size_um[1:],
            title=f"{ident.project}  slice {ident.slice}  channel {ident.channel}  strip {ident.strip}",
        )
        picture = f"![projection](data:image/png;base64,{base64.b64encode(png).decode('ascii')})\n\n"
    create_markdown_artifact(
        key=f"{slug(ident.project)}-{ident.key.replace('/', '-')}",
        markdown=f"# {ident.project} · slice {ident.slice} · channel {ident.channel} · strip {ident.strip}\n\n"
        f"{picture}| | |\n|---|---|\n{table}\n",
        description=f"Products of {ident}",
    )


def strip_numbers(work: StripWork, cleaned: str) -> list[dict[str, Any]]:
    """Return what was made of a strip, for people."""
    rows: list[dict[str, Any]] = [{"what": "raw data", "value": f"{work.folder} ({raw_data_in_words(cleaned)})"}]
    if work.record is not None and work.zarr is not None:
        record = work.record
        rows += [
            {"what": "OME-Zarr", "value": str(work.zarr.final)},
            {"what": "shape (z, y, x)", "value": " x ".join(map(str, record.shape))},
            {"what": "size", "value": f"{record.raw_bytes / 1e6:.0f} MB, {record.ratio:.2f} times smaller"},
            {"what": "rate", "value": f"{record.raw_bytes / 1e6 / max(record.seconds, 1e-9):.0f} MB/s"},
            {"what": "verified", "value": "every file read back, level 0 equal to the raw voxels"},
        ]
        if work.mip is not None:
            rows.append({"what": "projection", "value": str(work.mip)})
    if work.archived is not None and work.archive is not None:
        value = f"{work.archive.final}: {work.archived.files} files, {work.archived.nbytes / 1e6:.0f} MB, verified"
        rows.append({"what": "archive", "value": value})
    return rows


@never_fatal
def publish_strip_progress(state: ProjectState, config: LSMScanConfig) -> None:
    """Show how far each channel of the project is, as a table."""
    create_table_artifact(
        key=f"{slug(state.name)}-lsm-progress",
        table=strip_progress_table(state, config),
        description=f"Strips of {state.name} by channel",
    )


def strip_progress_table(state: ProjectState, config: LSMScanConfig) -> list[dict[str, Any]]:
    """Return one row per channel: expected strips, and how many are in which status."""
    return [
        progress_row({"slice": slice_, "channel": channel}, "strips", config.strips_per_slice, numbers)
        for (slice_, channel), numbers in leaves_by_parent(state).items()
    ]


@task(task_run_name="publish channel", cache_policy=NO_CACHE)
def publish_channel(work: ChannelWork) -> None:
    """Show the joined projection on the run's page."""
    _publish_channel_page(work)


@never_fatal
def _publish_channel_page(work: ChannelWork) -> None:
    ident = work.ident
    picture = base64.b64encode(work.picture).decode("ascii")
    create_markdown_artifact(
        key=f"{slug(ident.project)}-{ident.key.replace('/', '-')}",
        markdown=f"# {ident.project} · slice {ident.slice} · channel {ident.channel}\n\n"
        f"![projections joined](data:image/png;base64,{picture})\n\n- `{work.mip_path}`\n- `{work.preview_path}`\n",
        description=f"Projections of {ident}",
    )
