"""``opticstream sync``: computers agree on a session's name, without a server."""

import signal
from collections.abc import Callable
from datetime import datetime
from types import FrameType
from typing import Annotated, Any

import typer

from opticstream.cli.console import print_json, setup_logging
from opticstream.core.errors import BadInput

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Session sync: computers agree on a session's name.")

Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="TCP port of the master.")]
Key = Annotated[str, typer.Option("--session-key", help="What all must agree on, such as the subject.")]
Timeout = Annotated[float, typer.Option("--timeout-sec", help="Seconds the whole barrier may take.")]
AckTimeout = Annotated[float, typer.Option("--ack-timeout-sec", help="Seconds for an answer that is due.")]
Node = Annotated[str | None, typer.Option("--node-name", help="Label of this computer; default: its host name.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the name.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Log more.")]


@app.command()
def master(
    port: Port,
    expected_slaves: Annotated[int, typer.Option("--expected-slaves", min=1, help="How many slaves to wait for.")],
    session_key: Key,
    bind_host: Annotated[
        str, typer.Option("--bind-host", help="Interface to listen on; 0.0.0.0 or :: is every one.")
    ] = "127.0.0.1",
    session_name: Annotated[
        str | None, typer.Option("--session-name", help="The session's name; default: the key and the time.")
    ] = None,
    timeout_sec: Timeout = 120,
    ack_timeout_sec: AckTimeout = 30,
    node_name: Node = None,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Decide the session's name, and wait until all slaves know it; the last line printed is the name.

    A secret that all must know is taken from OPTICSTREAM_SESSION_SYNC_SECRET. Exit code: 0; 1 when somebody was
    missing; 2 for an option that cannot be used; 130 when interrupted.
    """
    from opticstream.rig.sync import run_master

    given = {"expected_slaves": expected_slaves, "bind_host": bind_host, "session_name": session_name}
    settings = _settings(
        "master",
        given
        | {"port": port, "session_key": session_key, "timeout_sec": timeout_sec}
        | {"ack_timeout_sec": ack_timeout_sec, "node_name": node_name},
        verbose=verbose,
    )
    name = settings.session_name or f"{session_key}_{datetime.now().astimezone():%Y-%m-%d_%H-%M-%S}"
    _run(settings, lambda stop: run_master(settings, name, stop=stop), json=json)


@app.command()
def slave(
    master_host: Annotated[str, typer.Option("--master-host", help="Host name or address of the master.")],
    port: Port,
    session_key: Key,
    timeout_sec: Timeout = 120,
    ack_timeout_sec: AckTimeout = 30,
    retry_delay_sec: Annotated[
        float, typer.Option("--retry-delay-sec", help="Seconds between two attempts to connect.")
    ] = 1,
    node_name: Node = None,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Join a master, and wait until everybody may go on; the last line printed is the session's name.

    A secret that all must know is taken from OPTICSTREAM_SESSION_SYNC_SECRET. Exit code: 0; 1 when there was no
    agreement; 2 for an option that cannot be used; 130 when interrupted.
    """
    from opticstream.rig.sync import run_slave

    settings = _settings(
        "slave",
        {"port": port, "session_key": session_key, "master_host": master_host, "timeout_sec": timeout_sec}
        | {"ack_timeout_sec": ack_timeout_sec, "retry_delay_sec": retry_delay_sec, "node_name": node_name},
        verbose=verbose,
    )
    _run(settings, lambda stop: run_slave(settings, stop=stop), json=json)


def _settings(role: str, options: dict[str, Any], *, verbose: bool) -> Any:
    from opticstream.rig.sync import read_sync_settings

    setup_logging(verbose=verbose)
    settings = read_sync_settings({"session_sync_role": role} | {f"session_sync_{k}": v for k, v in options.items()})
    if settings is None:
        raise BadInput("opticstream sync", found=repr(role), expected="master or slave")
    return settings


def _recorded(settings: Any, barrier: Callable[[], Any]) -> Any:
    """Run a barrier as a flow run where an API answers; without one nothing waits for it."""
    from opticstream.core.settings import load_settings
    from opticstream.deployments.api import find_api, use_api
    from opticstream.deployments.server import api_healthy

    url = find_api(load_settings()).url
    if url is None or not api_healthy(url):
        return barrier()
    use_api(load_settings(), url)
    from opticstream.flows.session_sync import run_barrier

    return run_barrier(settings.role, settings.node_name, barrier)


def _run(settings: Any, barrier: Callable[[Callable[[], bool]], Any], *, json: bool) -> None:
    """Run a barrier that SIGTERM and Ctrl+C end, and print how it ended."""
    from opticstream.rig.sync import BarrierFailed

    told: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        told.append(number)

    # SIGBREAK is Windows' Ctrl+Break, which is how services are stopped there (not verified here).
    names = [name for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]
    before = {number: signal.signal(number, on_signal) for number in (getattr(signal, name) for name in names)}
    try:
        result = _recorded(settings, lambda: barrier(lambda: bool(told)))
    except BarrierFailed as failed:
        if json:
            print_json(failed.result.as_dict())
        if told:
            raise typer.Exit(130) from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if json:
        print_json(result.as_dict())
    else:
        print(result.session_name)
