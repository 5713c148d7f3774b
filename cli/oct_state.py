"""``opticstream oct state`` and ``opticstream oct retry``: see and mend a project's state; no server needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.table import Table

from opticstream.cli.console import err, out, print_json
from opticstream.core.errors import BadInput
from opticstream.core.settings import load_settings
from opticstream.state import OCT_TREE, ProjectState, open_database
from opticstream.state.edit import Edit
from opticstream.state.edit import mark as mark_units
from opticstream.state.edit import reset as reset_units
from opticstream.state.edit import retry as retry_units
from opticstream.state.report import report
from opticstream.state.selection import Selection, parse_unit, select_by_level
from opticstream.state.views import STATUSES

app = typer.Typer(no_args_is_help=True, add_completion=False, help="See, mark and reset the state of a project.")

Project = Annotated[str, typer.Argument(help="Project name.")]
Slice = Annotated[int | None, typer.Option("--slice", min=1, help="Only this slice.")]
Mosaic = Annotated[int | None, typer.Option("--mosaic", min=1, help="Only this mosaic (logical number).")]
Batch = Annotated[int | None, typer.Option("--batch", min=1, help="Only this batch.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would change.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
_TRUE, _FALSE = {"true", "1", "yes", "y"}, {"false", "0", "no", "n"}


@contextmanager
def _open(project: str) -> Iterator[ProjectState]:
    with open_database(load_settings()) as database:
        yield ProjectState(database, OCT_TREE, project)


def _selection(slice_: int | None, mosaic: int | None, batch: int | None) -> Selection:
    return select_by_level(OCT_TREE, {"slice": slice_, "mosaic": mosaic, "batch": batch})


@app.command()
def show(
    project: Project, slice_: Slice = None, mosaic: Mosaic = None, batch: Batch = None, json: Json = False
) -> None:
    """Show every unit of a project: status, milestones, attempts, error, who works on it."""
    with _open(project) as state:
        found = report(state, _selection(slice_, mosaic, batch))
    if json:
        print_json(found)
        return
    table = Table("unit", "status", "milestones", "attempts", "claimed by", title=f"{project} (oct)")
    errors = []
    for unit in found["units"]:
        done = ", ".join(name for name, value in unit["milestones"].items() if value)
        name = "/".join(f"{level} {unit[level]}" for level in ("slice", "mosaic", "batch") if level in unit)
        error = (unit["error"] or "").strip().splitlines()
        if error:
            errors.append(f"{name}: {error[-1]}")
        table.add_row(name, unit["status"], done, str(unit["attempts"]), unit["claimed_by"] or "")
    out.print(table)
    for level, counts in found["counts"].items():
        out.print(f"{level}: " + (", ".join(f"{number} {status}" for status, number in counts.items()) or "none"))
    for line in errors:
        out.print(line, soft_wrap=True, markup=False, highlight=False)


@app.command()
def mark(
    project: Project,
    level: Annotated[str, typer.Argument(help="slice, mosaic or batch.")],
    field: Annotated[str, typer.Argument(help="A status (pending, completed, failed, ready), or a milestone.")],
    value: Annotated[str | None, typer.Argument(help="true or false, for a milestone.")] = None,
    slice_: Slice = None,
    mosaic: Mosaic = None,
    batch: Batch = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Set a status or a milestone by hand; a level left open means all units below the ones given."""
    wanted = None
    if value is not None:
        if field in STATUSES or value.lower() not in _TRUE | _FALSE:
            raise BadInput("VALUE", found=repr(value), expected="true or false, and only with a milestone")
        wanted = value.lower() in _TRUE
    if field == "running":
        raise BadInput("FIELD", found="running", expected="a status other than running, which only a claim sets")
    selection = _selection(slice_, mosaic, batch)
    with _open(project) as state:
        planned = mark_units(state, level, selection, field, wanted, dry_run=True)
        if not dry_run and _confirmed(planned, f"set {field}", yes=yes, json=json):
            planned = mark_units(state, level, selection, field, wanted)
    _show(planned, dry_run=dry_run, json=json)


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
    if not selection.numbers and not all_:
        raise BadInput("oct state reset", found="no unit", expected="--slice, --mosaic, --batch, or --all")
    with _open(project) as state:
        planned = reset_units(state, selection, force=force, dry_run=True)
        if not dry_run and _confirmed(planned, "forget", yes=yes, json=json):
            planned = reset_units(state, selection, force=force)
    _show(planned, dry_run=dry_run, json=json)


def retry(
    project: Project,
    units: Annotated[
        list[str] | None, typer.Argument(metavar="[UNIT]...", help="SLICE[/MOSAIC[/BATCH]]; none: every failed batch.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also batches without attempts left, and done ones.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Make failed batches ready again; a running `oct watch` takes them at its next pass, else the next one does."""
    with _open(project) as state:
        wanted = [parse_unit(OCT_TREE, project, unit) for unit in units] if units else None
        planned = retry_units(state, wanted, force=force, dry_run=True)
        if not dry_run and _confirmed(planned, "retry", yes=yes, json=json):
            planned = retry_units(state, wanted, force=force)
    _show(planned, dry_run=dry_run, json=json)
    if wanted is not None and any(edit.refused for edit in planned):
        raise typer.Exit(1)


def _confirmed(edits: list[Edit], what: str, *, yes: bool, json: bool) -> bool:
    """Ask before changing anything; without a terminal, ``--yes`` is the answer."""
    number = sum(edit.refused is None for edit in edits)
    if number == 0 or yes:
        return True
    if json or not err.is_interactive:
        raise BadInput("--yes", found="no answer", expected=f"--yes to {what} {number} units without being asked")
    if not typer.confirm(f"{what.capitalize()} {number} units?", err=True):
        raise typer.Exit(1)
    return True


def _show(edits: list[Edit], *, dry_run: bool, json: bool) -> None:
    rows: list[dict[str, Any]] = [
        {"unit": str(edit.ident), "before": edit.before, "after": edit.after, "refused": edit.refused} for edit in edits
    ]
    if json:
        print_json({"dry_run": dry_run, "units": rows})
        return
    for row in rows:
        after = f"left alone: {row['refused']}" if row["refused"] else (row["after"] or "forgotten")
        out.print(f"{'would: ' if dry_run else ''}{row['unit']}: {row['before']} → {after}", soft_wrap=True)
    if not rows:
        out.print("Nothing to do.")
