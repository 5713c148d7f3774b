"""``opticstream demo``."""

import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from opticstream.cli.console import err, out, setup_logging

app = typer.Typer(add_completion=False, help="See it work: a simulated microscope, watched and processed.")


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder for tiles, products and the report.")] = Path("demo-output"),
    all_: Annotated[bool, typer.Option("--all", help="Every rig; so far that is PS-OCT.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the Prefect server and the demo's home as they are.")] = (
        False
    ),
) -> None:
    """Start a server, simulate a microscope, watch and process its tiles, and show the result.

    Everything runs in a home of its own, which is removed at the end; tiles, products and report stay in the output
    folder. On a terminal the Prefect UI stays up until you press Enter.
    """
    from opticstream.cli.watch_view import WatchView
    from opticstream.deployments.demo import DemoResult, demo_home, run_oct_demo
    from opticstream.deployments.demo_report import write_report
    from opticstream.watch import run_watcher_until_interrupt

    began = time.monotonic()
    output = output.absolute()
    with demo_home(keep=keep) as settings:
        setup_logging()  # once the environment is the demo's own
        with WatchView(live=err.is_terminal) as view:
            result: DemoResult = run_watcher_until_interrupt(
                lambda stop: run_oct_demo(settings, output, view, view.say, stop)
            )
        total = time.monotonic() - began
        report = output / "report.html"
        write_report(report, result, total)
        _table(result.products, result.seconds, total)
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
    if result.failed or not result.products:
        raise typer.Exit(1)


def _table(products: list[Path], seconds: dict[str, float], total: float) -> None:
    table = Table("modality", "files", "MB", title="Products")
    kinds = Counter(path.stem.rpartition("_")[2] for path in products)
    for kind, number in kinds.items():
        size = sum(path.stat().st_size for path in products if path.stem.endswith(f"_{kind}")) / 1e6
        table.add_row(kind, str(number), f"{size:.1f}")
    out.print(table)
    times = ", ".join(f"{key} {value:.1f} s" for key, value in seconds.items())
    out.print(f"Batches:    {times}", soft_wrap=True)
    out.print(f"Total:      {total:.0f} s")
