"""What ``state`` and ``retry`` of every pipeline do once their options are read; no server needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.table import Table

from opticstream.cli.console import err, out, print_json, print_line
from opticstream.core.errors import BadInput
from opticstream.core.settings import load_settings
from opticstream.state import ProjectState, Tree, open_database
from opticstream.state.edit import Edit
from opticstream.state.edit import mark as mark_units
from opticstream.state.edit import reset as reset_units
from opticstream.state.edit import retry as retry_units
from opticstream.state.report import report
from opticstream.state.selection import Selection, parse_unit
from opticstream.state.views import STATUSES

Project = Annotated[str, typer.Argument(help="Project name.")]
Slice = Annotated[int | None, typer.Option("--slice", min=1, help="Only this slice.")]
Field = Annotated[str, typer.Argument(help="A status (pending, completed, failed, ready), or a milestone.")]
Value = Annotated[str | None, typer.Argument(help="true or false, for a milestone.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would change.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
_TRUE, _FALSE = {"true", "1", "yes", "y"}, {"false", "0", "no", "n"}


@contextmanager
def _open(tree: Tree, project: str) -> Iterator[ProjectState]:
    with open_database(load_settings()) as database:
        yield ProjectState(database, tree, project)


def show(tree: Tree, project: str, selection: Selection, *, json: bool) -> None:
    """Show every unit of a subtree: status, milestones, attempts, error, who works on it."""
    with _open(tree, project) as state:
        found = report(state, selection)
    if json:
        print_json(found)
        return
    levels = [level.name for level in tree.levels]
    table = Table("unit", "status", "milestones", "attempts", "claimed by", title=f"{project} ({tree.pipeline})")
    errors = []
    for unit in found["units"]:
        done = ", ".join(name for name, value in unit["milestones"].items() if value)
        name = "/".join(f"{level} {unit[level]}" for level in levels if level in unit)
        error = (unit["error"] or "").strip().splitlines()
        if error:
            errors.append(f"{name}: {error[-1]}")
        table.add_row(name, unit["status"], done, str(unit["attempts"]), unit["claimed_by"] or "")
    out.print(table)
    for level, counts in found["counts"].items():
        out.print(f"{level}: " + (", ".join(f"{number} {status}" for status, number in counts.items()) or "none"))
    for line in errors:
        print_line(line)


def mark(
    tree: Tree,
    project: str,
    level: str,
    selection: Selection,
    field: str,
    value: str | None,
    *,
    dry_run: bool,
    yes: bool,
    json: bool,
) -> None:
    """Set a status or a milestone of the units of a subtree."""
    wanted = None
    if value is not None:
        if field in STATUSES or value.lower() not in _TRUE | _FALSE:
            raise BadInput("VALUE", found=repr(value), expected="true or false, and only with a milestone")
        wanted = value.lower() in _TRUE
    if field == "running":
        raise BadInput("FIELD", found="running", expected="a status other than running, which only a claim sets")
    _check_field(tree, level, field)
    with _open(tree, project) as state:
        planned = mark_units(state, level, selection, field, wanted, dry_run=True)
        if not dry_run and _confirmed(planned, f"set {field} of", yes=yes, json=json):
            planned = mark_units(state, level, selection, field, wanted)
    milestone = None if field in STATUSES else f"{field} → {'false' if wanted is False else 'true'}"
    _show(planned, dry_run=dry_run, json=json, milestone=milestone)


def _check_field(tree: Tree, level: str, field: str) -> None:
    names = [each.name for each in tree.levels]
    if level not in names:
        raise BadInput("LEVEL", found=repr(level), expected=" or ".join(names))
    milestones = tree.level(level).milestones
    if field not in (*STATUSES, *milestones):
        expected = ", ".join(("pending", "completed", "failed", "ready", *milestones))
        raise BadInput("FIELD", found=repr(field), expected=f"one of {expected}")


def reset(
    tree: Tree,
    project: str,
    selection: Selection,
    *,
    all_: bool,
    force: bool,
    dry_run: bool,
    yes: bool,
    json: bool,
) -> None:
    """Forget the units of a subtree."""
    if not selection.numbers and not all_:
        options = ", ".join(f"--{level.name}" for level in tree.levels)
        raise BadInput(f"{tree.pipeline} state reset", found="no unit", expected=f"{options}, or --all")
    with _open(tree, project) as state:
        planned = reset_units(state, selection, force=force, dry_run=True)
        if not dry_run and _confirmed(planned, "forget", yes=yes, json=json):
            planned = reset_units(state, selection, force=force)
    _show(planned, dry_run=dry_run, json=json)


def retry(
    tree: Tree, project: str, units: list[str] | None, *, force: bool, dry_run: bool, yes: bool, json: bool
) -> None:
    """Make failed units ready again."""
    with _open(tree, project) as state:
        wanted = [parse_unit(tree, project, unit) for unit in units] if units else None
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
    units = "1 unit" if number == 1 else f"{number} units"
    if json or not err.is_interactive:
        raise BadInput("--yes", found="nobody to ask", expected=f"--yes to {what} {units}")
    if not typer.confirm(f"{what.capitalize()} {units}?", err=True):
        raise typer.Exit(1)
    return True


def _show(edits: list[Edit], *, dry_run: bool, json: bool, milestone: str | None = None) -> None:
    rows: list[dict[str, Any]] = [
        {"unit": str(edit.ident), "before": edit.before, "after": edit.after, "refused": edit.refused} for edit in edits
    ]
    if json:
        print_json({"dry_run": dry_run, "units": rows})
        return
    for row in rows:
        after = f"left alone: {row['refused']}" if row["refused"] else (row["after"] or "forgotten")
        change = milestone or f"{row['before']} → {after}"
        out.print(f"{'would: ' if dry_run else ''}{row['unit']}: {change}", soft_wrap=True)
    if not rows:
        out.print("Nothing to do.")
