"""``opticstream state``: the store that every project's state is in; one project's state is ``opticstream oct state``."""

import typer

from opticstream.cli.console import print_line
from opticstream.core.settings import load_settings
from opticstream.state.database import upgrade_database

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The state store of all projects: upgrade its tables."
)


@app.callback()
def _group() -> None:
    """The state store of all projects: upgrade its tables."""


@app.command()
def upgrade() -> None:
    """Bring the tables of the state store to this version. PostgreSQL waits for this command; SQLite needs none.

    Stop every watch and worker first, and upgrade opticstream on all computers: older versions refuse an upgraded store.
    """
    name, before, now = upgrade_database(load_settings())
    if before is None:
        text = f"{name}: tables made, schema version {now}"
    elif before == now:
        text = f"{name}: schema version {now}, nothing to do"
    else:
        text = f"{name}: upgraded from schema version {before} to {now}"
    print_line(text)
