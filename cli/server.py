"""``opticstream server``: the embedded Prefect server of this home."""

import os
from dataclasses import asdict
from typing import Annotated

import typer

from opticstream.cli.console import out, print_json
from opticstream.core.settings import load_settings
from opticstream.deployments.server import ServerInfo, api_healthy, running_server, start_server, stop_server

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The embedded Prefect server: one per home, on this machine only."
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
NOT_RUNNING = 3


def _how_to_use(info: ServerInfo) -> str:
    setting = f'$env:PREFECT_API_URL = "{info.url}"' if os.name == "nt" else f"export PREFECT_API_URL={info.url}"
    return f"UI {info.ui_url}; for Prefect's own commands: {setting}"


@app.command()
def start(
    port: Annotated[
        int | None, typer.Option(help="Port to use if it is free; 0 takes any.", show_default="4200")
    ] = None,
    json: Json = False,
) -> None:
    """Start the server and wait until it is healthy; started twice, it stays one."""
    settings = load_settings(**({} if port is None else {"server_port": port}))
    if not json and running_server(settings) is None:
        out.print("Starting Prefect's server (the first start prepares its database: about 20 s) …")
    info = start_server(settings)
    if json:
        print_json(asdict(info))
    else:
        out.print(f"{'Already running' if info.already_running else 'Running'}: {_how_to_use(info)}", soft_wrap=True)


@app.command()
def stop(json: Json = False) -> None:
    """Stop the server."""
    stopped = stop_server(load_settings())
    if json:
        print_json({"stopped": stopped})
    else:
        out.print("Stopped." if stopped else "It was not running.")


@app.command()
def status(json: Json = False) -> None:
    """Say whether the server runs; exit code 0 when it is healthy, 3 when not."""
    settings = load_settings()
    info = running_server(settings)
    healthy = info is not None and api_healthy(info.url)
    if json:
        print_json({"running": info is not None, "healthy": healthy, **(asdict(info) if info else {})})
    elif info is None:
        out.print("Not running; `opticstream server start` starts it.")
    else:
        out.print(
            f"{'Running' if healthy else 'Not answering'} since {info.since}: {_how_to_use(info)}", soft_wrap=True
        )
    if not healthy:
        raise typer.Exit(NOT_RUNNING)
