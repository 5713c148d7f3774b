"""``opticstream oct watch``."""

from pathlib import Path
from typing import Annotated

import typer

from opticstream.cli.console import setup_logging
from opticstream.cli.watch_command import (
    Backfill,
    DryRun,
    JsonLog,
    Once,
    PollInterval,
    Project,
    SliceOffset,
    Verbose,
    run_watch,
)


def watch(
    project: Project,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Acquisition folder, where the tiles appear.")],
    mosaic_ranges: Annotated[
        str, typer.Argument(help="Source mosaics to take, as in the file names: 1:2,5:9, both ends included.")
    ] = "1:999999",
    stability_seconds: Annotated[float, typer.Option(min=0, help="How long a batch's files must stay unchanged.")] = 15,
    poll_interval: PollInterval = 5,
    direct: Annotated[
        bool, typer.Option("--direct/--no-direct", help="Process here, or announce batches to a deployment.")
    ] = True,
    refresh: Annotated[str | None, typer.Option(help="Remount hook after each batch: none, sas, sas2, sas3.")] = None,
    force_resend: Annotated[
        bool, typer.Option("--force-resend", help="Take batches that have a state already.")
    ] = False,
    slice_offset: SliceOffset = 0,
    pattern: Annotated[str, typer.Option(help="File name pattern; several with commas.")] = "*cropped_focus*.nii",
    check_header: Annotated[
        bool, typer.Option("--check-header/--no-check-header", help="Check that each tile is a whole NIfTI.")
    ] = True,
    once: Once = False,
    dry_run: DryRun = False,
    backfill: Backfill = False,
    verbose: Verbose = False,
    json_log: JsonLog = False,
) -> None:
    """Watch a folder for finished tile batches and process them.

    Exit code: 0; 1 when a batch failed; 2 for an option that cannot be used.
    """
    from opticstream.core.errors import BadInput
    from opticstream.flows.oct_watch import OCTWatchOptions, watch_oct
    from opticstream.tasks.pipelines import OCT
    from opticstream.watch import refresh_hook

    setup_logging(verbose=verbose, json_log=json_log)
    if refresh is not None and not direct:
        raise BadInput("--refresh", found="--no-direct", expected="direct mode, whose batches it follows")
    options = OCTWatchOptions(
        ranges=mosaic_ranges,
        stability_seconds=stability_seconds,
        poll_interval_s=poll_interval,
        direct=direct,
        refresh=refresh_hook(refresh) if refresh is not None else None,
        force_resend=force_resend,
        slice_offset=slice_offset,
        pattern=pattern,
        check_header=check_header,
        once=once,
        dry_run=dry_run,
        backfill=backfill,
    )
    run_watch(OCT, watch_oct, project, folder, options, noun="batches", json_log=json_log)
