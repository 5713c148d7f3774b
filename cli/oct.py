"""``opticstream oct``: everything about a PS-OCT project."""

import typer

from opticstream.cli import oct_process, oct_serve, oct_setup, oct_simulate, oct_state, oct_watch

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="PS-OCT: set up, simulate, watch, process, retry, state."
)
app.command("setup")(oct_setup.setup)
app.command("simulate")(oct_simulate.simulate)
app.command("watch")(oct_watch.watch)
app.command("serve")(oct_serve.serve)
app.command("process")(oct_process.process)
app.command("retry")(oct_state.retry)
app.add_typer(oct_state.app, name="state")
