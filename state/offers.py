"""What is offered to deployments: units that are ready, and those that nobody came for."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select, update

from opticstream.core.identifiers import UnitId
from opticstream.state.database import Database
from opticstream.state.rows import to_ident
from opticstream.state.stalled import holder_is_gone, open_leaves
from opticstream.state.store import ProjectState
from opticstream.state.tables import outbox, units

_OFFERED = ("event", "run")


@dataclass(frozen=True, slots=True)
class Offer:
    """A unit that a run should be made for."""

    ident: UnitId
    source: dict[str, Any]
    dispatch_no: int
    """Changes each time the unit is offered anew; part of the run's idempotency key."""


def ready_units(state: ProjectState, limit: int = 20) -> list[UnitId]:
    """Return leaf units that a deployment's run may claim now, oldest first; direct ones are their watcher's."""
    statement = (
        select(units)
        .where(
            units.c.project_id == state.row.id,
            units.c.level == state.tree.leaf.name,
            units.c.status == "ready",
            units.c.dispatch.in_(_OFFERED),
        )
        .order_by(units.c.updated_at, units.c.id)
        .limit(limit)
    )
    with state.database.peek() as connection:
        return [to_ident(state.row, row) for row in connection.execute(statement)]


def stalled_offers(state: ProjectState) -> list[Offer]:
    """Return the leaf units a run should have come for by now, oldest first.

    Ready ones unclaimed for ``reconcile_after_s`` seconds (units with dispatch ``run`` at once, for nothing else makes
    their runs), and running ones whose claim's holder is gone.
    """
    rows = open_leaves(state, _OFFERED)
    return [_offer(state, row) for row in rows if _nobody_came(row, state.database)]


def announced_offers(state: ProjectState) -> list[Offer]:
    """Return the ready leaf units whose event is with Prefect already, oldest first.

    A trigger that is made now will not fire for them.
    """
    event = state.tree.leaf.ready_event
    rows = [row for row in open_leaves(state, _OFFERED) if row.status == "ready"]
    with state.database.peek() as connection:
        posted = set(
            connection.execute(
                select(outbox.c.unit_id).where(
                    outbox.c.event == event, outbox.c.project == state.name, outbox.c.sent_at.is_not(None)
                )
            ).scalars()
        )
    return [_offer(state, row) for row in rows if row.id in posted]


def _offer(state: ProjectState, row: Row[Any]) -> Offer:
    return Offer(to_ident(state.row, row), dict(row.source or {}), row.dispatch_no)


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


def owners(state: ProjectState) -> tuple[list[str], list[str]]:
    """Return who holds leaf units of the project now: owners that live (or may), and owners whose process is gone."""
    living: list[str] = []
    gone: list[str] = []
    for row in open_leaves(state, _OFFERED):
        if row.owner is not None:
            (gone if holder_is_gone(row, state.database) else living).append(row.owner)
    return living, gone
