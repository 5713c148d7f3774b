"""What is left to do of a unit: its stages, and what those that are committed have stored about their products."""

from typing import Any

from sqlalchemy import Connection, select, update

from opticstream.core.identifiers import UnitId
from opticstream.state.rows import ProjectRow, project_config
from opticstream.state.tables import claims, stages
from opticstream.state.tree import Level


def unfinished_stages(connection: Connection, project: ProjectRow, ident: UnitId, unit_id: int) -> set[str]:
    """Return the stages of a unit that no claim has committed."""
    done = connection.execute(
        select(stages.c.name).where(stages.c.unit_id == unit_id, stages.c.done_token.is_not(None))
    ).scalars()
    return set(required_stages(connection, project, project.tree.level(ident))) - set(done)


def required_stages(connection: Connection, project: ProjectRow, level: Level) -> tuple[str, ...]:
    """Return the stages that a level's units go through in this project, as it is configured now."""
    return level.stages if level.stages_of is None else level.required_stages(project_config(connection, project))


def reopen_stages(connection: Connection, project: ProjectRow, ident: UnitId, unit_id: int) -> None:
    """Let a unit that has all its stages behind it go through them again; what one that has not did already stays."""
    if not unfinished_stages(connection, project, ident, unit_id):
        connection.execute(update(stages).where(stages.c.unit_id == unit_id).values(done_token=None))


def results(connection: Connection, unit_id: int) -> dict[str, dict[str, Any]]:
    """Return what the committed stages of a unit stored, by stage; empty where nothing was."""
    statement = (
        select(stages.c.name, claims.c.result)
        .join(claims, claims.c.token == stages.c.done_token)
        .where(stages.c.unit_id == unit_id)
    )
    return {name: result or {} for name, result in connection.execute(statement)}


def too_early(connection: Connection, project: ProjectRow, ident: UnitId, unit_id: int, stage: str) -> str | None:
    """Return why a stage may not be claimed yet, None when it may.

    Only a level's last stage waits: for every other one to be committed, each with products that it says it verified.
    """
    level = project.tree.level(ident)
    if stage != level.last_stage:
        return None
    stored = results(connection, unit_id)
    before = [name for name in required_stages(connection, project, level) if name != stage]
    if missing := [name for name in before if name not in stored]:
        return f"{', '.join(missing)} not committed yet"
    if unverified := [name for name in before if stored[name].get("verified") is not True]:
        return f"{', '.join(unverified)} committed without verified products"
    return None
