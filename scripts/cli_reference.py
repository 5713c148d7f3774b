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


def main(arguments: list[str]) -> int:
    """Write the page, or compare it; return the exit code."""
    text = render()
    if arguments == ["--check"]:
        current = PAGE.read_text("utf-8") if PAGE.is_file() else ""
        if current != text:
            print(f"{PAGE} is not what the commands say; run `make docs`")
        return int(current != text)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text, "utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
