"""``opticstream config``: which settings are in force, and where each comes from."""

import os
from typing import Annotated, Any

import typer
import yaml
from rich.markup import escape
from rich.table import Table

from opticstream.cli.console import out, print_json, print_line
from opticstream.core.settings import Settings, load_settings
from opticstream.deployments.api import find_api
from opticstream.state.database import default_state_url

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Settings: what is in force, and where it comes from."
)


def _rows(settings: Settings) -> list[dict[str, Any]]:
    file = settings.home / "settings.yaml"
    in_file = (yaml.safe_load(file.read_text("utf-8")) or {}) if file.exists() else {}
    rows = []
    for name, field in Settings.model_fields.items():
        variable = f"OPTICSTREAM_{name.upper()}"
        source = "environment" if os.environ.get(variable) else str(file) if name in in_file else "default"
        value = getattr(settings, name)
        rows.append(
            {
                "name": name,
                "variable": variable,
                "value": value if isinstance(value, int | float) and not isinstance(value, bool) else str(value),
                "source": source,
                "description": field.description,
            }
        )
    return rows


@app.callback()
def _group() -> None:
    """Settings: what is in force, and where it comes from."""


@app.command()
def show(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """List every setting with its value, its environment variable and where the value comes from."""
    settings = load_settings()
    api = find_api(settings)
    store = "OPTICSTREAM_STATE_URL" if settings.state_url else default_state_url(settings.home)
    places = {
        "state_store": store,
        "server_home": str(settings.home / "prefect"),
        "logs": str(settings.home / "logs"),
        "kernel_cache": str(settings.kernels),
        "prefect_api": api.url,
        "prefect_api_source": api.source,
    }
    rows = _rows(settings)
    if json:
        print_json({"settings": rows, "places": places})
        return
    table = Table("setting", "value", "from", "variable", "what it does")
    for row in rows:
        table.add_row(
            row["name"], escape(str(row["value"])), escape(row["source"]), row["variable"], row["description"]
        )
    out.print(table)
    for name, place in places.items():
        print_line(f"{name}: {place}")
