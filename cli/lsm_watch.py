"""``opticstream lsm watch``."""

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
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Acquisition folder, whose subfolders are strips.")
    ] = None,
    watch_dir: Annotated[Path | None, typer.Option(help="The same as DIR.")] = None,
    stability_seconds: Annotated[float, typer.Option(min=0, help="How long a strip's files must stay unchanged.")] = 15,
    poll_interval: PollInterval = 5,
    direct: Annotated[
        bool, typer.Option("--direct/--no-direct", help="Process here, or announce strips to a deployment.")
    ] = False,
    force_resend: Annotated[
        bool, typer.Option("--force-resend", help="Take strips that have a state already.")
    ] = False,
    slice_offset: SliceOffset = 0,
    pattern: Annotated[str, typer.Option(help="Folder name pattern; several with commas.")] = "Run*",
    min_files: Annotated[int, typer.Option(min=1, help="Strips with fewer files are incomplete.")] = 1,
    polling_only: Annotated[
        bool, typer.Option("--polling-only", help="Use no events of the operating system, as on a network share.")
    ] = False,
    check_content: Annotated[
        bool, typer.Option("--check-content/--no-check-content", help="Check that every spool file is there and whole.")
    ] = True,
    once: Once = False,
    dry_run: DryRun = False,
    backfill: Backfill = False,
    process: Annotated[
        str, typer.Option("--process", "-p", help="Acquisition program whose priority is kept.")
    ] = "AndorSolis",
    priority: Annotated[str, typer.Option("--priority", "-l", help="Priority it is given.")] = "high",
    no_pp: Annotated[bool, typer.Option("--no-pp", help="Leave priorities alone.")] = False,
    verbose: Verbose = False,
    json_log: JsonLog = False,
) -> None:
    """Watch a folder for finished strips and process or announce them.

    Exit code: 0; 1 when a strip failed; 2 for an option that cannot be used.
    """
    from contextlib import nullcontext

    from opticstream.flows.lsm_watch import LSMWatchOptions, watch_lsm
    from opticstream.tasks.pipelines import LSM
    from opticstream.watch.process_priority import PriorityKeeper

    setup_logging(verbose=verbose, json_log=json_log)
    options = LSMWatchOptions(
        stability_seconds=stability_seconds,
        poll_interval_s=poll_interval,
        direct=direct,
        force_resend=force_resend,
        slice_offset=slice_offset,
        once=once,
        dry_run=dry_run,
        backfill=backfill,
        pattern=pattern,
        min_files=min_files,
        polling_only=polling_only,
        check_content=check_content,
    )
    with nullcontext() if no_pp or dry_run else PriorityKeeper(process, priority):
        run_watch(LSM, watch_lsm, project, _folder(folder, watch_dir), options, noun="strips", json_log=json_log)


def _folder(argument: Path | None, option: Path | None) -> Path:
    from opticstream.core.errors import BadInput

    if argument is not None and option is not None and argument != option:
        raise BadInput("--watch-dir", found=f"{option} beside {argument}", expected="one folder")
    return argument or option or Path()
