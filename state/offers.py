"""What is offered to deployments: units that are ready, and those that nobody came for."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select, update

from opticstream.core.identifiers import UnitId
from opticstream.state.database import Database, db_now
from opticstream.state.job import Job
from opticstream.state.rows import to_ident
from opticstream.state.stalled import holder_is_gone, open_work
from opticstream.state.store import ProjectState
from opticstream.state.tables import outbox, units


@dataclass(frozen=True, slots=True)
class Offer:
    """A unit that a run should be made for."""

    ident: UnitId
    source: dict[str, Any]
    dispatch_no: int
    """Changes each time the unit is offered anew; part of the run's idempotency key."""


def ready_units(state: ProjectState, job: Job, limit: int = 20) -> list[UnitId]:
    """Return units that a run of this job may claim now, oldest first; direct ones are their watcher's."""
    rows = open_work(state, job.level, job.stages[0], job.dispatches, statuses=("ready",), limit=limit)
    return [to_ident(state.row, row) for row in rows]


def stalled_offers(state: ProjectState, job: Job) -> list[Offer]:
    """Return the units a run of this job should have come for by now, oldest first.

    Ready ones unclaimed for ``reconcile_after_s`` seconds, counted from when their event was posted if it was (units
    with dispatch ``run`` at once, for nothing else makes their runs), and running ones whose claim's holder is gone.
    """
    rows = [row for row in _open(state, job) if _nobody_came(row, state.database)]
    announced = {row.id for row in rows if row.status == "ready" and row.dispatch != "run"}
    # An event that waited for the API is as late as the API was: its trigger needs the same time as any other's.
    fresh = _posted(state, job, state.database.settings.reconcile_after_s) if announced else set()
    return _offers(state, [row for row in rows if row.id not in announced & fresh])


def announced_offers(state: ProjectState, job: Job) -> list[Offer]:
    """Return the ready units whose event is with Prefect already, oldest first.

    A trigger that is made now will not fire for them.
    """
    rows = [row for row in _open(state, job) if row.status == "ready"]
    posted = _posted(state, job)
    return _offers(state, [row for row in rows if row.id in posted])


def _posted(state: ProjectState, job: Job, within_s: float | None = None) -> set[int]:
    """Return the units whose event was first posted to Prefect in the last seconds; None: at any time."""
    statement = select(outbox.c.unit_id).where(outbox.c.event == job.event, outbox.c.project == state.name)
    if within_s is None:
        statement = statement.where(outbox.c.sent_at.is_not(None))
    else:
        statement = statement.where(outbox.c.sent_at > db_now() - within_s)
    with state.database.peek() as connection:
        return set(connection.execute(statement).scalars())


def _open(state: ProjectState, job: Job) -> list[Row[Any]]:
    rows = [row for stage in job.stages for row in open_work(state, job.level, stage, job.dispatches)]
    return sorted(rows, key=lambda row: (row.updated_at, row.id))


def _offers(state: ProjectState, rows: list[Row[Any]]) -> list[Offer]:
    """Return one offer for each unit, however many of its stages wait."""
    each = {row.id: row for row in reversed(rows)}
    return [Offer(to_ident(state.row, row), dict(row.source or {}), row.dispatch_no) for row in reversed(each.values())]


def _nobody_came(row: Row[Any], database: Database) -> bool:
    if row.status == "ready":
        patience = 0.0 if row.dispatch == "run" else database.settings.reconcile_after_s
        return bool(row.now - row.updated_at >= patience)
    return holder_is_gone(row, database)


def offer_again(state: ProjectState, offer: Offer) -> Offer | None:
    """Give an offer the next number; None when another process did, or the unit is no longer there to be claimed."""
    n1, n2, n3 = (*offer.ident.numbers, 0, 0)[:3]
    statement = (
        update(units)
        .where(
            units.c.project_id == state.row.id,
            units.c.level == offer.ident.level,
            units.c.n1 == n1,
            units.c.n2 == n2,
            units.c.n3 == n3,
            units.c.dispatch_no == offer.dispatch_no,
            units.c.status.in_(("ready", "running")),
        )
        .values(dispatch_no=offer.dispatch_no + 1)
    )
    with state.database.write(f"offer {offer.ident}") as connection:
        changed = connection.execute(statement).rowcount
    return Offer(offer.ident, offer.source, offer.dispatch_no + 1) if changed else None


def owners(state: ProjectState, job: Job) -> tuple[list[str], list[str]]:
    """Return who holds stages of the job now: owners that live (or may), and owners whose process is gone."""
    living: list[str] = []
    gone: list[str] = []
    for row in _open(state, job):
        if row.owner is not None:
            (gone if holder_is_gone(row, state.database) else living).append(row.owner)
    return living, gone
