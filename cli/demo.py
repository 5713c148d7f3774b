"""``opticstream demo``."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from opticstream.cli.console import err, out, setup_logging

if TYPE_CHECKING:
    from opticstream.deployments.demo_stage import DemoPart

app = typer.Typer(add_completion=False, help="See it work: a simulated microscope, watched and processed.")


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder for tiles, products and the report.")] = Path("demo-output"),
    all_: Annotated[
        bool, typer.Option("--all", help="Every rig: PS-OCT, light sheet, launched sessions, live microscope.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the Prefect server and the demo's home as they are.")] = (
        False
    ),
) -> None:
    """Start a server, simulate a microscope, watch and process its tiles, and show the result.

    Everything runs in a home of its own, which is removed at the end; tiles, products and report stay in the output
    folder. On a terminal the Prefect UI stays up until you press Enter.
    """
    from opticstream.cli.watch_view import WatchView
    from opticstream.deployments.demo import run_demo
    from opticstream.deployments.demo_report import write_report
    from opticstream.deployments.demo_stage import demo_home
    from opticstream.watch import run_watcher_until_interrupt

    began = time.monotonic()
    output = output.absolute()
    with demo_home(keep=keep) as settings:
        setup_logging()  # once the environment is the demo's own
        with WatchView(live=err.is_terminal, noun="units") as view:
            result = run_watcher_until_interrupt(
                lambda stop: run_demo(settings, output, view, view.say, stop, all_rigs=all_)
            )
        total = time.monotonic() - began
        report = output / "report.html"
        write_report(report, result, total)
        for part in result.parts:
            _table(part)
        out.print(f"Total:      {total:.0f} s")
        out.print(f"Report:     {report.as_uri()}", soft_wrap=True)
        if keep:
            out.print(
                f"Prefect UI: {result.ui_url}  (stop it: OPTICSTREAM_HOME={settings.home} opticstream server stop)"
            )
        elif out.is_terminal:
            out.print(f"Prefect UI: {result.ui_url}")
            out.input("Press Enter to stop the server and clean up. ")
        else:
            out.print(f"Prefect UI: {result.ui_url} (stopped now; --keep leaves it running)", soft_wrap=True)
    for part in result.parts:
        if part.failed or not part.products:
            err.print(f"{part.title}: {part.failed} {part.noun} did not end well; the logs below {output} say why")
    if not result.whole:
        raise typer.Exit(1)


def _table(part: "DemoPart") -> None:
    from opticstream.deployments.demo_report import product_table

    table = Table("product", "number", "MB", title=part.title)
    for kind, number, size in product_table(part):
        table.add_row(kind, str(number), f"{size / 1e6:.1f}")
    out.print(table)
    times = ", ".join(f"{key} {value:.1f} s" for key, value in part.seconds.items())
    out.print(f"{part.noun.capitalize()}: {times}", soft_wrap=True)
