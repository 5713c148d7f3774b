"""What an operator may do to a project's state: mark, reset, retry. Each can be asked first what it would do."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, delete, select, update

from opticstream.core.identifiers import UnitId
from opticstream.state.claims import revoke_claims
from opticstream.state.handle import UnitHandle
from opticstream.state.parents import settle_parent
from opticstream.state.rows import announce, find_unit, lock_unit, to_ident, update_unit
from opticstream.state.selection import Selection
from opticstream.state.stages import unfinished_stages
from opticstream.state.store import ProjectState
from opticstream.state.tables import claims, stages, units
from opticstream.state.views import STATUSES, Status


@dataclass(frozen=True, slots=True)
class Edit:
    """One unit and what was done to it, or would be."""

    ident: UnitId
    before: Status | Literal["absent"]
    after: Status | None
    """None: the row is removed."""
    refused: str | None = None
    """Why it was left as it is."""


def _rows(state: ProjectState, selection: Selection, level: str | None = None) -> list[Row[Any]]:
    """Return the rows of a subtree, innermost level first."""
    statement = select(units).where(units.c.project_id == state.row.id)
    columns = (units.c.n1, units.c.n2, units.c.n3)
    statement = statement.where(*(column == number for column, number in zip(columns, selection.numbers, strict=False)))
    if level is not None:
        statement = statement.where(units.c.level == level)
    order = {name: -depth for depth, name in enumerate(lv.name for lv in state.tree.levels)}
    with state.database.peek() as connection:
        rows = connection.execute(statement).all()
    return sorted(rows, key=lambda row: (order[row.level], row.n1, row.n2, row.n3))


def mark(
    state: ProjectState, level: str, selection: Selection, field: str, value: bool | None, *, dry_run: bool = False
) -> list[Edit]:
    """Set a status or a milestone of every unit of a level in a subtree; a unit named in full is created if absent.

    Args:
        state: the project.
        level: level of the units.
        selection: the subtree.
        field: a status, or a milestone of the level.
        value: the milestone's value; None with a status.
        dry_run: only say what would change.

    Raises:
        StateError: the level has no such milestone.
    """
    kind = state.tree.level(level)
    if field not in STATUSES:
        kind.check_milestone(field)
    idents = [to_ident(state.row, row) for row in _rows(state, selection, level)]
    if not idents and len(selection.numbers) == len(kind.ident.digits):
        numbers = dict(zip(kind.ident.digits, selection.numbers, strict=True))
        idents = [kind.ident.model_validate({"project": state.name, **numbers})]
    edits = []
    for ident in idents:
        if dry_run:
            view = state.peek(ident)
            before: Status = view.status if view else "pending"
            edits.append(Edit(ident, before, field if field in STATUSES else before))
            continue
        with state.open(ident) as unit:
            before = unit.status
            _apply(unit, field, value)
            edits.append(Edit(ident, before, unit.status))
    return edits


def _apply(unit: UnitHandle, field: str, value: bool | None) -> None:
    if field in STATUSES:
        unit.mark(field, error="marked by the operator" if field == "failed" else None)
    else:
        unit.set_milestone(field, True if value is None else value)


def reset(state: ProjectState, selection: Selection, *, force: bool = False, dry_run: bool = False) -> list[Edit]:
    """Remove the rows of a subtree, so that the watcher sees its files as new; claims stay as audit.

    Units that somebody works on are left alone, and so are their parents, unless ``force`` takes the work away.
    """
    edits: list[Edit] = []
    kept: set[int] = set()
    for row in _rows(state, selection):
        ident = to_ident(state.row, row)
        with state.database.write(f"reset {ident}") as connection:
            locked = lock_unit(connection, state.row, ident)
            if locked is None:
                continue
            holder = connection.execute(
                select(claims.c.owner).where(claims.c.unit_id == row.id, claims.c.outcome.is_(None))
            ).scalar()
            refused = None
            if row.id in kept:
                refused = "a unit below it is in work"
            elif not dry_run and connection.execute(select(units.c.id).where(units.c.parent_id == row.id)).first():
                refused = "a unit below it was registered meanwhile"
            elif holder and not force:
                refused = f"in work by {holder}; --force takes it away"
            edits.append(Edit(ident, locked.status, None if refused is None else locked.status, refused))
            if refused is not None:
                kept.add(row.parent_id)
            elif not dry_run:
                revoke_claims(connection, row.id)
                connection.execute(delete(stages).where(stages.c.unit_id == row.id))
                connection.execute(delete(units).where(units.c.id == row.id))
                settle_parent(connection, state.row, ident)
    return edits


def retry(
    state: ProjectState, wanted: list[UnitId] | None = None, *, force: bool = False, dry_run: bool = False
) -> list[Edit]:
    """Make failed units ready again; the running watcher or a served deployment takes them.

    Stages that are committed stay so, unless all are, or ``force`` is given.

    Args:
        state: the project.
        wanted: units (or the subtrees they head); None: every failed unit of the project.
        force: also units that used up their attempts, and completed ones; every stage is done again.
        dry_run: only say what would change.
    """
    selections = [Selection(ident.numbers) for ident in wanted] if wanted is not None else [Selection()]
    leaf = state.tree.leaf.name
    idents = {
        to_ident(state.row, row): None
        for selection in selections
        for row in _rows(state, selection)
        if row.status == "failed" or (wanted is not None and row.level == leaf)
    }
    unknown = [
        Edit(ident, "absent", None, f"there is no {leaf} in it" if depth else f"there is no such {leaf}")
        for ident in wanted or ()
        if not any(found.numbers[: len(ident.numbers)] == ident.numbers for found in idents)
        for depth in [ident.level != leaf]
    ]
    return [_retry_one(state, ident, force=force, dry_run=dry_run) for ident in idents] + unknown


def _retry_one(state: ProjectState, ident: UnitId, *, force: bool, dry_run: bool) -> Edit:
    limit = state.database.settings.max_attempts
    with state.database.write(f"retry {ident}") as connection:
        row = lock_unit(connection, state.row, ident)
        if row is None:  # reset by another since it was listed
            return Edit(ident, "absent", None, f"there is no such {ident.level}")
        attempts = max(
            connection.execute(select(stages.c.attempts).where(stages.c.unit_id == row.id)).scalars().all(), default=0
        )
        refused = None
        if row.status == "running":
            refused = "it is in work"
        elif row.status != "failed" and not force:
            refused = f"it is {row.status}, not failed; --force takes it all the same"
        elif attempts >= limit and not force:
            refused = f"{attempts} attempts used up; --force starts over"
        if refused or dry_run:
            return Edit(ident, row.status, row.status if refused else "ready", refused)
        fresh: dict[str, Any] = {"attempts": 0} if force else {}
        if force or not unfinished_stages(connection, state.row, ident, row.id):
            fresh["done_token"] = None
        connection.execute(update(stages).where(stages.c.unit_id == row.id).values(not_before=0.0, **fresh))
        number = row.dispatch_no + 1
        update_unit(
            connection,
            row.id,
            status="ready",
            error=None,
            dispatch_no=number,
            watcher_id=None,
            started_at=None,
            finished_at=None,
        )
        level = state.tree.level(ident)
        if row.dispatch == "event" and level.ready_event is not None:
            payload = {level.payload_key: ident.model_dump(mode="json"), **(row.source or {})}
            announce(connection, ident, row.id, level.ready_event, payload, number)
        settle_parent(connection, state.row, ident)
        after = find_unit(connection, state.row, ident)
        assert after is not None  # noqa: S101 (locked above)
        return Edit(ident, row.status, after.status)
