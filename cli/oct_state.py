"""``opticstream oct state`` and ``opticstream oct retry``: see and mend a project's state; no server needed."""

from typing import Annotated

import typer

from opticstream.cli import state_commands
from opticstream.cli.state_commands import DryRun, Field, Json, Project, Slice, Value, Yes
from opticstream.state import OCT_TREE
from opticstream.state.selection import Selection, select_by_level

app = typer.Typer(no_args_is_help=True, add_completion=False, help="See, mark and reset the state of a project.")

Mosaic = Annotated[int | None, typer.Option("--mosaic", min=1, help="Only this mosaic (logical number).")]
Batch = Annotated[int | None, typer.Option("--batch", min=1, help="Only this batch.")]


def _selection(slice_: int | None, mosaic: int | None, batch: int | None) -> Selection:
    return select_by_level(OCT_TREE, {"slice": slice_, "mosaic": mosaic, "batch": batch})


@app.command()
def show(
    project: Project, slice_: Slice = None, mosaic: Mosaic = None, batch: Batch = None, json: Json = False
) -> None:
    """Show every unit of a project: status, milestones, attempts, error, who works on it."""
    state_commands.show(OCT_TREE, project, _selection(slice_, mosaic, batch), json=json)


@app.command()
def mark(
    project: Project,
    level: Annotated[str, typer.Argument(help="slice, mosaic or batch.")],
    field: Field,
    value: Value = None,
    slice_: Slice = None,
    mosaic: Mosaic = None,
    batch: Batch = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Set a status or a milestone by hand; a level left open means all units below the ones given."""
    selection = _selection(slice_, mosaic, batch)
    state_commands.mark(OCT_TREE, project, level, selection, field, value, dry_run=dry_run, yes=yes, json=json)


@app.command()
def reset(
    project: Project,
    all_: Annotated[bool, typer.Option("--all", "-a", help="Every unit of the project.")] = False,
    slice_: Slice = None,
    mosaic: Mosaic = None,
    batch: Batch = None,
    force: Annotated[bool, typer.Option("--force", help="Also units that are in work; their work is lost.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Forget units, so that the watcher takes their files as new. Products stay on disk."""
    selection = _selection(slice_, mosaic, batch)
    state_commands.reset(OCT_TREE, project, selection, all_=all_, force=force, dry_run=dry_run, yes=yes, json=json)


def retry(
    project: Project,
    units: Annotated[
        list[str] | None,
        typer.Argument(metavar="UNIT", help="SLICE[/MOSAIC[/BATCH]]; none: every failed batch."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also batches without attempts left, and done ones.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Make failed batches ready again; a running `oct watch` takes them at its next pass, else the next one does."""
    state_commands.retry(OCT_TREE, project, units, force=force, dry_run=dry_run, yes=yes, json=json)
