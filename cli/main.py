"""The ``opticstream`` command. Groups are imported when they are used, so that ``--help`` answers at once."""

import importlib
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from opticstream.cli.console import err
from opticstream.core.errors import BadInput, OpticstreamError

GROUPS = {
    "answer": ("opticstream.cli.answer", "Answer what a session that runs in Prefect asks."),
    "config": ("opticstream.cli.config", "Settings: what is in force, and where it comes from."),
    "demo": ("opticstream.cli.demo", "See it work: a simulated microscope, watched and processed."),
    "oct": ("opticstream.cli.oct", "PS-OCT: set up, simulate, watch, process, state."),
    "launch": ("opticstream.cli.launch", "An experiment session: `launch PARAMS.json`, validate, serve."),
    "lsm": ("opticstream.cli.lsm", "Light sheet: set up, simulate, watch, process, archive, verify, state."),
    "modules": ("opticstream.cli.modules", "Modules of a session's pipelines: list, show, run by hand."),
    "scope": ("opticstream.cli.scope", "The live microscope: run, status, stop, commands, settings, repair."),
    "server": ("opticstream.cli.server", "The embedded Prefect server."),
    "session": ("opticstream.cli.session", "A session's saved state."),
    "state": ("opticstream.cli.state", "The state store of all projects: upgrade its tables."),
    "sync": ("opticstream.cli.sync", "Session sync: computers agree on a session's name."),
}
"""Command → module whose ``app`` serves it, and its line in the help."""


class LazyGroup(TyperGroup):
    """A group whose commands are imported on demand, and whose errors are one line."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return sorted(GROUPS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return one command."""
        if cmd_name not in GROUPS:
            return None
        module, _ = GROUPS[cmd_name]
        command = typer.main.get_command(importlib.import_module(module).app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(GROUPS.items())])

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run, turning our errors into one line and an exit code."""
        try:
            return super().main(*args, **kwargs)
        except OpticstreamError as error:
            if os.environ.get("OPTICSTREAM_DEBUG"):
                raise
            err.print(f"[bold red]error:[/] {_escape(str(error))}", soft_wrap=True)
            sys.exit(2 if isinstance(error, BadInput) else 1)
        except KeyboardInterrupt:
            err.print("Interrupted.")
            sys.exit(130)


def _escape(text: str) -> str:
    return text.replace("[", r"\[")


app = typer.Typer(
    name="opticstream",
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # the rich help would import every group
    help="A lab's acquisition, from the press of Start to processed, verified, archived data.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from opticstream import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = (
        False
    ),
) -> None:
    """A lab's acquisition, from the press of Start to processed, verified, archived data."""
