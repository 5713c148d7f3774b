"""``opticstream oct serve``."""

from functools import partial
from typing import Annotated

import typer

from opticstream.cli.console import err, setup_logging
from opticstream.core.settings import load_settings


def serve(
    project: Annotated[str, typer.Argument(help="Project name.")],
    limit: Annotated[int, typer.Option(min=1, help="Batches at a time; each run uses every core for its tiles.")] = 1,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more.")] = False,
    json_log: Annotated[bool, typer.Option("--json-log", help="Log JSON lines, for services.")] = False,
) -> None:
    """Process a project's batches here when they are ready, until Ctrl+C.

    `oct watch --no-direct` announces them, here or on another computer; their state and events wait for this command.
    """
    from opticstream.deployments.api import LocalApi
    from opticstream.deployments.serve import serve_project
    from opticstream.imaging.psoct import warm_kernels
    from opticstream.state import OCT_TREE, ProjectState, open_database
    from opticstream.tasks.jobs import BATCHES

    setup_logging(verbose=verbose, json_log=json_log)
    settings = load_settings()

    def say(text: str) -> None:
        err.print(text, soft_wrap=True)

    with open_database(settings) as database:
        state = ProjectState(database, OCT_TREE, project)  # an unknown project is told before a server is started
        LocalApi(settings, say).ensure()
        warm = partial(warm_kernels, settings.kernels)
        serve_project(settings, state, [BATCHES], limit=limit, warm=warm, say=say)
