"""``opticstream lsm state`` and ``opticstream lsm retry``: see and mend a project's state; no server needed."""

from typing import Annotated

import typer

from opticstream.cli import state_commands
from opticstream.cli.state_commands import DryRun, Field, Json, Project, Slice, Value, Yes
from opticstream.state import LSM_TREE
from opticstream.state.selection import Selection, select_by_level

app = typer.Typer(no_args_is_help=True, add_completion=False, help="See, mark and reset the state of a project.")

Channel = Annotated[int | None, typer.Option("--channel", min=1, help="Only this channel (camera).")]
Strip = Annotated[int | None, typer.Option("--strip", min=1, help="Only this strip.")]


def _selection(slice_: int | None, channel: int | None, strip: int | None) -> Selection:
    return select_by_level(LSM_TREE, {"slice": slice_, "channel": channel, "strip": strip})


@app.command()
def show(
    project: Project, slice_: Slice = None, channel: Channel = None, strip: Strip = None, json: Json = False
) -> None:
    """Show every unit of a project: status, milestones, attempts, error, who works on it."""
    state_commands.show(LSM_TREE, project, _selection(slice_, channel, strip), json=json)


@app.command()
def mark(
    project: Project,
    level: Annotated[str, typer.Argument(help="slice, channel or strip.")],
    field: Field,
    value: Value = None,
    slice_: Slice = None,
    channel: Channel = None,
    strip: Strip = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Set a status or a milestone by hand; a level left open means all units below the ones given."""
    selection = _selection(slice_, channel, strip)
    state_commands.mark(LSM_TREE, project, level, selection, field, value, dry_run=dry_run, yes=yes, json=json)


@app.command()
def reset(
    project: Project,
    all_: Annotated[bool, typer.Option("--all", "-a", help="Every unit of the project.")] = False,
    slice_: Slice = None,
    channel: Channel = None,
    strip: Strip = None,
    force: Annotated[bool, typer.Option("--force", help="Also units that are in work; their work is lost.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Forget units, so that the watcher takes their files as new. Products stay on disk."""
    selection = _selection(slice_, channel, strip)
    state_commands.reset(LSM_TREE, project, selection, all_=all_, force=force, dry_run=dry_run, yes=yes, json=json)


def retry(
    project: Project,
    units: Annotated[
        list[str] | None,
        typer.Argument(metavar="UNIT", help="SLICE[/CHANNEL[/STRIP]]; none: every failed strip or channel."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also strips and channels without attempts left, and done ones.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Make failed strips and channels ready again; a running `lsm watch` takes them at its next pass, else the next one does."""
    state_commands.retry(LSM_TREE, project, units, force=force, dry_run=dry_run, yes=yes, json=json)
