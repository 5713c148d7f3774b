"""``opticstream oct watch``."""

from pathlib import Path
from typing import Annotated

import typer

from opticstream.cli.console import err, out, setup_logging
from opticstream.core.settings import load_settings

_FLUSH_S = 10.0
"""How long the end of a watch waits for its events to be posted."""


def watch(
    project: Annotated[str, typer.Argument(help="Project name.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Acquisition folder, where the tiles appear.")],
    mosaic_ranges: Annotated[
        str, typer.Argument(help="Source mosaics to take, as in the file names: 1:2,5:9, both ends included.")
    ] = "1:999999",
    stability_seconds: Annotated[float, typer.Option(min=0, help="How long a batch's files must stay unchanged.")] = 15,
    poll_interval: Annotated[float, typer.Option(help="Seconds between two looks at the folder.")] = 5,
    direct: Annotated[
        bool, typer.Option("--direct/--no-direct", help="Process here, or announce batches to a deployment.")
    ] = True,
    refresh: Annotated[str | None, typer.Option(help="Remount hook after each batch: none, sas, sas2, sas3.")] = None,
    force_resend: Annotated[
        bool, typer.Option("--force-resend", help="Take batches that have a state already.")
    ] = False,
    slice_offset: Annotated[int, typer.Option(help="Slices to add to those in the file names.")] = 0,
    pattern: Annotated[str, typer.Option(help="File name pattern; several with commas.")] = "*cropped_focus*.nii",
    check_header: Annotated[
        bool, typer.Option("--check-header/--no-check-header", help="Check that each tile is a whole NIfTI.")
    ] = True,
    once: Annotated[bool, typer.Option("--once", help="End when everything that lies there is settled.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be taken.")] = False,
    backfill: Annotated[
        bool, typer.Option("--backfill", help="What lies there at start only while nothing new is ready.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more.")] = False,
    json_log: Annotated[bool, typer.Option("--json-log", help="Log JSON lines, for services.")] = False,
) -> None:
    """Watch a folder for finished tile batches and process them.

    Exit code: 0; 1 when a batch failed; 2 for an option that cannot be used.
    """
    from opticstream.cli.watch_view import WatchView
    from opticstream.core.errors import BadInput
    from opticstream.deployments.api import LocalApi, find_api, use_api
    from opticstream.deployments.relay import Relay
    from opticstream.deployments.relay_api import RelayApi
    from opticstream.deployments.server import api_healthy
    from opticstream.flows.oct_watch import OCTWatchOptions, watch_oct
    from opticstream.state import open_database
    from opticstream.tasks.oct_config import load_config
    from opticstream.watch import refresh_hook, run_watcher_until_interrupt

    setup_logging(verbose=verbose, json_log=json_log)
    if refresh is not None and not direct:
        raise BadInput("--refresh", found="--no-direct", expected="direct mode, whose batches it follows")
    hook = refresh_hook(refresh) if refresh is not None else None
    settings = load_settings()
    choice = find_api(settings)
    reachable = choice.url is not None and api_healthy(choice.url)
    if choice.url is not None:
        use_api(settings, choice.url)
    options = OCTWatchOptions(
        ranges=mosaic_ranges,
        stability_seconds=stability_seconds,
        poll_interval_s=poll_interval,
        direct=direct,
        refresh=hook,
        force_resend=force_resend,
        slice_offset=slice_offset,
        pattern=pattern,
        check_header=check_header,
        once=once,
        dry_run=dry_run,
        backfill=backfill,
    )
    with open_database(settings) as database, WatchView(live=err.is_terminal and not json_log) as view:
        config = load_config(database, project, block=reachable and not dry_run)
        api = LocalApi(settings, view.say)
        with RelayApi(settings) as relay_api, Relay(database, relay_api) as relay:
            summary = run_watcher_until_interrupt(
                lambda stop: watch_oct(
                    database,
                    config,
                    folder.absolute(),
                    options,
                    api=api,
                    progress=view,
                    stop=stop,
                    announced=relay.wake,
                )
            )
            waiting = relay.flush(project, _FLUSH_S).waiting
    _tell(summary, dry_run=dry_run, once=once, direct=direct)
    if waiting:
        out.print(
            f"{waiting} events wait for the Prefect API; `opticstream oct serve {project}` or the next watch delivers "
            "them.",
            soft_wrap=True,
        )
    if summary.failed:
        raise typer.Exit(1)


def _tell(summary: "object", *, dry_run: bool, once: bool, direct: bool) -> None:
    from opticstream.flows.oct_watch import WatchSummary

    assert isinstance(summary, WatchSummary)  # noqa: S101 (only its caller gives it)
    report = summary.report
    if report is not None:
        for unit in report.incomplete_units:
            out.print(f"incomplete: {unit}", soft_wrap=True)
        for problem in report.problem_list:
            out.print(f"problem: {problem}", soft_wrap=True)
        for ready in report.would_dispatch if once else ():  # without --once each was logged when it was found
            out.print(f"would take: {ready.ident} ({len(ready.files)} files)", soft_wrap=True)
    if not dry_run and not direct:
        out.print(f"Batches announced here: {summary.announced or 'none, nothing to do'}", soft_wrap=True)
    elif not dry_run:
        done = ", ".join(f"{number} {status}" for status, number in sorted(summary.outcomes.items()))
        out.print(f"Batches processed here: {done or 'none, nothing to do'}", soft_wrap=True)
