"""What must hold of the claim table after any campaign of kills."""

from itertools import pairwise

from sqlalchemy import select

from opticstream.state import Database
from opticstream.state.tables import claims, units


def committed_stages(database: Database) -> dict[tuple[str, str], int]:
    """Return (unit text, stage) → token that committed it, after checking that no other did and no holders overlapped."""
    with database.peek() as connection:
        rows = connection.execute(select(claims).order_by(claims.c.unit, claims.c.stage, claims.c.token)).all()
    for first, second in pairwise(rows):
        if (first.unit, first.stage) == (second.unit, second.stage):
            assert first.ended_at is not None, f"{first.unit}: claim {first.token} open beside {second.token}"
            # Both ends come from one clock; a claim is closed before the next one is written.
            assert first.ended_at <= second.claimed_at, f"{first.unit}: {first.token} and {second.token} overlap"
    committed: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.outcome == "committed":
            key = (row.unit, row.stage)
            assert key not in committed, f"{row.unit} {row.stage}: committed by {committed[key]} and {row.token}"
            committed[key] = row.token
    return committed


def committed_tokens(database: Database) -> dict[str, int]:
    """Return unit text → the token that committed it, for units of one stage; checks as :func:`committed_stages`."""
    return {unit: token for (unit, _), token in committed_stages(database).items()}


def statuses(database: Database, level: str = "batch") -> dict[str, int]:
    """Return how many units of a level are in which status."""
    counted: dict[str, int] = {}
    with database.peek() as connection:
        for (status,) in connection.execute(select(units.c.status).where(units.c.level == level)):
            counted[status] = counted.get(status, 0) + 1
    return counted
