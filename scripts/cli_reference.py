"""Write docs/reference/cli.md from the command line itself; with ``--check`` say whether it is up to date."""

import sys
from pathlib import Path

import typer
import typer.cli
import typer.main

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "cli.md"


def render() -> str:
    """Return the page: every command with its arguments and options."""
    from opticstream.cli.main import app

    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="opticstream")
    text = typer.cli.get_docs_for_click(obj=command, ctx=context, name="opticstream", title="Command line")
    return f"<!-- Made by `make docs` from the commands themselves; edit their help instead. -->\n\n{text.strip()}\n"


if __name__ == "__main__":
    from _generated_page import write_or_check

    sys.exit(write_or_check(PAGE, render, "commands", sys.argv[1:]))
