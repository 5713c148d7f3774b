"""What every ``watch`` command does around its watcher: API, store, relay, status line, and what it says at the end."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opticstream.cli.console import err, out, print_line
from opticstream.core.settings import load_settings

if TYPE_CHECKING:
    from opticstream.flows.watching import WatchOptions, WatchSummary
    from opticstream.tasks.pipelines import Pipeline

_FLUSH_S = 10.0
"""How long the end of a watch waits for its events to be posted."""

Project = Annotated[str, typer.Argument(help="Project name.")]
PollInterval = Annotated[float, typer.Option(help="Seconds between two looks at the folder.")]
SliceOffset = Annotated[int, typer.Option(help="Slices to add to those in the names.")]
Once = Annotated[bool, typer.Option("--once", help="End when everything that lies there is settled.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be taken.")]
Backfill = Annotated[bool, typer.Option("--backfill", help="What lies there at start only while nothing new is ready.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Log more.")]
JsonLog = Annotated[bool, typer.Option("--json-log", help="Log JSON lines, for services.")]


def run_watch(
    pipeline: "Pipeline[Any]",
    watch: "Callable[..., WatchSummary]",
    project: str,
    folder: Path,
    options: "WatchOptions",
    *,
    noun: str,
    json_log: bool,
) -> None:
    """Watch until interrupted, deliver the events, and tell the operator.

    Args:
        pipeline: the project's.
        watch: ``watch_oct`` or ``watch_lsm``.
        project: project name.
        folder: watched folder.
        options: of the watch.
        noun: what its units are called.
        json_log: no status line.

    Raises:
        typer.Exit: code 1 when a unit failed.
    """
    from opticstream.cli.watch_view import WatchView
    from opticstream.deployments.api import LocalApi, find_api, use_api
    from opticstream.deployments.relay import Relay
    from opticstream.deployments.relay_api import RelayApi
    from opticstream.deployments.server import api_healthy
    from opticstream.state import open_database
    from opticstream.watch import run_watcher_until_interrupt

    settings = load_settings()
    choice = find_api(settings)
    reachable = choice.url is not None and api_healthy(choice.url)
    if choice.url is not None:
        use_api(settings, choice.url)
    live = err.is_terminal and not json_log
    with open_database(settings) as database, WatchView(live=live, noun=noun, quiet=_said_otherwise(options)) as view:
        config = pipeline.load_config(database, project, block=reachable and not options.dry_run)
        api = LocalApi(settings, view.say)
        with RelayApi(settings) as relay_api, Relay(database, relay_api) as relay:
            summary = run_watcher_until_interrupt(
                lambda stop: watch(
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
    above = pipeline.tree.levels[-2].name
    _tell(summary, options, noun.capitalize(), f"{above.capitalize()}s")
    if waiting:
        out.print(
            f"{waiting} events wait for the Prefect API; `opticstream {pipeline.tree.pipeline} serve {project}` or the "
            "next watch delivers them.",
            soft_wrap=True,
        )
    if summary.failed:
        raise typer.Exit(1)


def _said_otherwise(options: "WatchOptions") -> frozenset[str]:
    """Return what need not be logged: the end of a unit's flow is, and ``--once --dry-run`` prints its list."""
    if options.dry_run:
        return frozenset({"would dispatch"} if options.once else ())
    return frozenset({"dispatched"} if options.direct else ())


def _tell(summary: "WatchSummary", options: "WatchOptions", nouns: str, parents: str) -> None:
    report = summary.report
    if report is not None:
        for unit in report.incomplete_units:
            print_line(f"incomplete: {unit}")
        for problem in report.problem_list:
            print_line(f"problem: {problem}")
        for ready in report.would_dispatch if options.once else ():  # else each was logged when it was found
            print_line(f"would take: {ready.ident} ({ready.summary})")
        if options.once and options.dry_run and not report.would_dispatch:
            out.print("would take: nothing")
    if not options.dry_run and not options.direct:
        out.print(f"{nouns} announced here: {summary.announced or 'none, nothing to do'}", soft_wrap=True)
    elif not options.dry_run:
        nothing = "none" if summary.parents else "none, nothing to do"
        out.print(f"{nouns} processed here: {_counted(summary.outcomes) or nothing}", soft_wrap=True)
        if summary.parents:
            out.print(f"{parents} processed here: {_counted(summary.parents)}", soft_wrap=True)


def _counted(outcomes: "Counter[str]") -> str:
    return ", ".join(f"{number} {status}" for status, number in sorted(outcomes.items()))
