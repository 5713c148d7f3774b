"""The machine-readable state of a project; its keys are a contract (see ``docs/reference/state-json.md``)."""

from typing import Any

from sqlalchemy import func, select

from opticstream.state.rows import select_units, to_view
from opticstream.state.selection import Selection
from opticstream.state.store import ProjectState
from opticstream.state.tables import units
from opticstream.state.views import UnitView


def report(state: ProjectState, selection: Selection | None = None) -> dict[str, Any]:
    """Return a project's counts and units, all of one moment.

    Args:
        state: the project.
        selection: the subtree to list; counts are always the whole project's.
    """
    wanted = selection or Selection()
    levels = {level.name: depth for depth, level in enumerate(state.tree.levels)}
    columns = (units.c.n1, units.c.n2, units.c.n3)
    statement = (
        select_units()
        .where(
            units.c.project_id == state.row.id,
            *(column == number for column, number in zip(columns, wanted.numbers, strict=False)),
        )
        .order_by(*columns)
    )
    with state.database.read() as connection:
        counts: dict[str, dict[str, int]] = {name: {} for name in levels}
        for level, status, count in connection.execute(
            select(units.c.level, units.c.status, func.count())
            .where(units.c.project_id == state.row.id)
            .group_by(units.c.level, units.c.status)
        ):
            counts[level][status] = count
        views = [to_view(state.row, row) for row in connection.execute(statement)]
    views.sort(key=lambda view: (levels[view.ident.level], view.ident.numbers))
    return {
        "project": state.name,
        "pipeline": state.tree.pipeline,
        "counts": counts,
        "units": [
            {
                "level": view.ident.level,
                **view.ident.model_dump(mode="json", exclude={"project"}),
                "status": view.status,
                "milestones": dict(view.milestones),
                "attempts": view.attempts,
                "error": view.error,
                "claimed_by": view.claimed_by,
                "updated_at": view.updated_at.isoformat(),
            }
            for view in views
        ],
    }


def leaf_views(state: ProjectState) -> list[UnitView]:
    """Return every leaf unit of a project as it is, in order."""
    return level_views(state, state.tree.leaf.name)


def level_views(state: ProjectState, level: str) -> list[UnitView]:
    """Return every unit of one level of a project as it is, in order."""
    statement = (
        select_units()
        .where(units.c.project_id == state.row.id, units.c.level == level)
        .order_by(units.c.n1, units.c.n2, units.c.n3)
    )
    with state.database.peek() as connection:
        return [to_view(state.row, row) for row in connection.execute(statement)]
