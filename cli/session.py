"""``opticstream session``: what a session left behind."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from opticstream.cli.console import out, print_json, print_line
from opticstream.core.errors import BadFile, BadInput

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A session's saved state.")
state = typer.Typer(no_args_is_help=True, add_completion=False, help="The state that a later session can take up.")
app.add_typer(state, name="state")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Session folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


@state.command()
def show(directory: Folder, json: Json = False) -> None:
    """Show whose state is saved in a session folder, and its values.

    Exit code: 0; 2 when there is none or it cannot be read.
    """
    from opticstream.rig.session_state import SessionStateStore

    store = SessionStateStore(directory)
    found, summary = store.read(), store.describe()
    if found is None or summary is None:
        raise BadFile(str(store.path), found="no file", expected="the state of a successful session")
    if json:
        print_json(found)
        return
    for name, head in summary["launcher_states"].items():
        table = Table("attribute", "value", title=Text(f"{name}, saved {head['saved_at']}"))
        for attribute in head["attributes"]:
            table.add_row(Text(attribute), Text(_short(found["launcher_states"][name]["attributes"][attribute])))
        out.print(table)


@state.command()
def clear(
    directory: Folder,
    namespace: Annotated[str | None, typer.Option("--namespace", help="Only this launcher's state.")] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="The state of all launchers, also a file that is broken.")
    ] = False,
    json: Json = False,
) -> None:
    """Remove saved state from a session folder: of one launcher, or all."""
    from opticstream.rig.session_state import SessionStateStore

    if (namespace is None) != all_:
        raise BadInput("session state clear", found="not one of both", expected="either --namespace NAME or --all")
    store = SessionStateStore(directory)
    removed = store.remove_all() if namespace is None else store.remove(namespace)
    if json:
        print_json({"path": str(store.path), "removed": removed})
    else:
        text = "removed" if removed else "there was nothing to remove"
        print_line(f"{store.path}: {text}")


def _short(value: object, longest: int = 80) -> str:
    import json

    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
