"""``opticstream launch``: an experiment session on this rig."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from opticstream.cli.console import err, print_json, print_line, setup_logging
from opticstream.core.errors import BadInput

if TYPE_CHECKING:
    from opticstream.core.settings import Settings

_ANSWER_S = 5.0
"""A Prefect API that is away refuses at once; a busy one may take as long as this."""
_SENDING_S = 20.0
"""How long logs, and how long the last states of steps, may take to be sent to one that answers: the rest is lost."""


class RunByDefault(TyperGroup):
    """A group whose first word may also be a parameter file: then it is ``run``."""

    default_command = "run"

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Take what is no command for the arguments of ``run``."""
        if args and args[0] not in self.commands:
            args = [self.default_command, *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let options of ``run`` stand before its file."""
        if args and args[0].startswith("-") and args[0] != "--help":
            args = [self.default_command, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=RunByDefault,
    no_args_is_help=True,
    add_completion=False,
    help="An experiment session: `opticstream launch PARAMS.json`, from parameters to end state.",
)

RigConfig = Annotated[Path | None, typer.Option("--rig-config", help="This rig's TOML file; default: the usual place.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A value over those of the file; repeatable.")
]


@app.command()
def run(
    params: Annotated[Path | None, typer.Argument(metavar="[PARAMS.json]", help="Parameter file.")] = None,
    rig_config: RigConfig = None,
    set_: Set = None,
    operator: Annotated[
        str, typer.Option("--operator", help="Who is asked: auto, terminal, prefect, headless, or an answers file.")
    ] = "auto",
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="SESSION", help="Go on with the state of an earlier session: folder or name."),
    ] = None,
    finish: Annotated[
        Path | None,
        typer.Option("--finish", metavar="SESSION", help="Finish a session whose launcher is gone, and launch none."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would run; nothing is written.")] = False,
    no_prefect: Annotated[bool, typer.Option("--no-prefect", help="Run without recording it in Prefect.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object about the end.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more.")] = False,
) -> None:
    """Launch a session: sync, folder, repository, modules, acquisition, modules, end state.

    Exit code: 0 done; 1 failed; 2 parameters that cannot be used, nothing was written; 3 aborted by a module's policy
    or by the operator; 130 interrupted.
    """
    from opticstream.rig.overrides import parse_assignments

    setup_logging(verbose=verbose)
    if finish is not None:
        _finish(finish, operator, json=json)
        return
    if params is None:
        raise BadInput("opticstream launch", found="no parameter file", expected="opticstream launch PARAMS.json")
    overrides = parse_assignments(set_ or [])
    if dry_run:
        from opticstream.cli.launch_plan import show_plan

        show_plan(params, rig_config, overrides, json=json)
        return
    _launch(params, rig_config, overrides, operator, resume, prefect=not no_prefect, json=json)


def _launch(
    params: Path,
    rig_config: Path | None,
    overrides: dict[str, Any],
    operator: str,
    resume: str | None,
    *,
    prefect: bool,
    json: bool,
) -> None:
    from opticstream.core.settings import load_settings
    from opticstream.rig.launcher import LaunchRequest, Source
    from opticstream.rig.launcher.check import check_source
    from opticstream.rig.launcher.run import run_plainly

    settings = load_settings()
    source = Source(params, rig_config, overrides)
    check_source(source, settings, operator)  # what is wrong is said before a server is started for it
    request = LaunchRequest(source, operator, resume_from=resume, settings=settings)
    if prefect:
        from opticstream.deployments.launching import launch_recorded

        report = launch_recorded(request, lambda text: err.print(text, soft_wrap=True))
    else:
        report = run_plainly(request)
    tell_report(report, json=json)
    if prefect:
        _leave(settings, report.exit_code)
    raise typer.Exit(report.exit_code)


def _finish(folder: Path, operator: str, *, json: bool) -> None:
    from opticstream.core.settings import load_settings
    from opticstream.rig.launcher.finish import finish_session
    from opticstream.rig.operators import make_operator

    report = finish_session(folder, load_settings(), make_operator("headless" if operator == "auto" else operator))
    tell_report(report, json=json)
    raise typer.Exit(report.exit_code)


def tell_report(report: Any, *, json: bool) -> None:
    """Print how a session ended."""
    if json:
        print_json(report.as_json())
        return
    for module in report.modules:
        message = f": {module.message}" if module.message else ""
        print_line(f"{module.stage.replace('_', '-')} {module.name}: {module.outcome}{message}")
    name = report.session_name or "no session"
    reason = f": {report.reason}" if report.reason else ""
    print_line(f"{name}: {report.outcome.value.replace('_', ' ')}{reason}")
    if report.session_folder is not None:
        print_line(str(report.session_folder))


def _leave(settings: "Settings", code: int) -> None:
    """End the process with what Prefect's threads still hold sent, but never wait long for an API that is away."""
    from opticstream.core.deadline import within
    from opticstream.deployments.api import find_api, send_pending
    from opticstream.deployments.server import api_healthy

    if "prefect" not in sys.modules:
        raise typer.Exit(code)
    try:
        if not api_healthy(find_api(settings).url or "", _ANSWER_S):
            raise TimeoutError
        within(2 * _SENDING_S, lambda: send_pending(_SENDING_S), "farewell")
    except TimeoutError:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise typer.Exit(code)


@app.command()
def validate(
    params: Annotated[list[Path], typer.Argument(metavar="PARAMS.json...", help="Parameter files.")],
    rig_config: RigConfig = None,
    set_: Set = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check parameter files: every problem of each, with key, found and expected. No network, nothing is written.

    Exit code: 0 all can be used; 2 one cannot.
    """
    from opticstream.core.settings import load_settings
    from opticstream.rig.launcher.check import check_file
    from opticstream.rig.overrides import parse_assignments

    setup_logging()
    settings, overrides = load_settings(), parse_assignments(set_ or [])
    results = [check_file(path, rig_config, overrides, settings) for path in params]
    if json:
        print_json({"valid": all(each.valid for each in results), "files": [each.as_json() for each in results]})
    else:
        for each in results:
            print_line(str(each))
    if not all(each.valid for each in results):
        raise typer.Exit(2)


@app.command()
def serve(
    name: Annotated[str, typer.Option("--name", help="Name of the deployment; default: this rig's.")] = "",
    rig_config: RigConfig = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more.")] = False,
) -> None:
    """Let people launch sessions on this rig from the Prefect UI, until Ctrl+C; one at a time."""
    from opticstream.core.settings import load_settings
    from opticstream.deployments.serve_launch import serve_launch
    from opticstream.rig.rig_config import load_rig_config

    setup_logging(verbose=verbose)
    settings = load_settings()
    rig = load_rig_config(rig_config, settings=settings)
    serve_launch(settings, name or rig.rig_id, rig_config, lambda text: err.print(text, soft_wrap=True))
