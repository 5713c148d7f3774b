"""``opticstream lsm serve``."""

from functools import partial
from typing import Annotated

import typer

from opticstream.cli.console import err, setup_logging
from opticstream.core.settings import load_settings


def serve(
    project: Annotated[str, typer.Argument(help="Project name.")],
    part: Annotated[
        str,
        typer.Argument(help="all; process: strips and channels; archive: archives, where another host converts."),
    ] = "all",
    limit: Annotated[int, typer.Option(min=1, help="Strips at a time; each conversion uses every core.")] = 1,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more.")] = False,
    json_log: Annotated[bool, typer.Option("--json-log", help="Log JSON lines, for services.")] = False,
) -> None:
    """Process a project's strips and channels here when they are ready, until Ctrl+C.

    `lsm watch` announces them, here or on another computer; their state and events wait for this command.
    """
    from opticstream.deployments.api import LocalApi
    from opticstream.deployments.serve import serve_project
    from opticstream.imaging.lsm import warm_strip_kernels
    from opticstream.state import LSM_TREE, ProjectState, open_database
    from opticstream.tasks.jobs import lsm_jobs
    from opticstream.tasks.pipelines import LSM

    setup_logging(verbose=verbose, json_log=json_log)
    settings = load_settings()

    def say(text: str) -> None:
        err.print(text, soft_wrap=True)

    with open_database(settings) as database:
        state = ProjectState(database, LSM_TREE, project)  # an unknown project is told before a server is started
        jobs = lsm_jobs(LSM.config_of(state), part)
        LocalApi(settings, say).ensure()
        warm = partial(warm_strip_kernels, settings.kernels)
        serve_project(settings, state, jobs, limit=limit, warm=warm, say=say)
