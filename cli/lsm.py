"""``opticstream lsm``: everything about a light-sheet project."""

import typer

from opticstream.cli import lsm_process, lsm_serve, lsm_setup, lsm_simulate, lsm_state, lsm_verify, lsm_watch

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Light sheet: set up, simulate, watch, process, archive, verify, retry, state.",
)
app.command("setup")(lsm_setup.setup)
app.command("simulate")(lsm_simulate.simulate)
app.command("watch")(lsm_watch.watch)
app.command("serve")(lsm_serve.serve)
app.command("process")(lsm_process.process)
app.command("retry")(lsm_state.retry)
app.command("verify")(lsm_verify.verify)
app.add_typer(lsm_state.app, name="state")
