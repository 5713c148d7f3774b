"""``opticstream scope settings``: what a scope starts with."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from opticstream.cli.console import out, print_json, print_line

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Settings of this user's scopes.")


@app.command()
def show(json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False) -> None:
    """Show every setting, and what it may be."""
    from opticstream.scope.settings import MagScopeSettings, ScopePreferences

    preferences = ScopePreferences.load()
    if json:
        print_json(preferences.settings.to_dict())
        return
    table = Table("setting", "value", "may be", title=Text(str(preferences.place)))
    for key, value in preferences.settings.items():
        table.add_row(Text(key), Text(str(value)), Text(MagScopeSettings.spec_for(key).expected))
    out.print(table)


@app.command("set")
def set_(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Name of the setting.")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Its new value.")],
) -> None:
    """Change a setting for the scopes that start from now on."""
    from opticstream.scope.settings import ScopePreferences

    settings = ScopePreferences.load().settings
    settings[key] = value
    print_line(f"{key} = {settings[key]}")


@app.command("export")
def export(path: Annotated[Path, typer.Argument(metavar="FILE", help="YAML file to write.")]) -> None:
    """Write all preferences into one file, for another computer."""
    from opticstream.scope.settings import ScopePreferences

    ScopePreferences.load().bundle().export_yaml(path)


@app.command("import")
def import_(path: Annotated[Path, typer.Argument(metavar="FILE", help="File that `export` wrote.")]) -> None:
    """Take over the preferences of a file; if one cannot be used, none is."""
    from opticstream.scope.settings import PreferencesBundle, ScopePreferences

    ScopePreferences.load().take(PreferencesBundle.import_yaml(path))
