"""Claims: one holder per unit and stage, a monotonic token, and writes that only the current token may make."""

import logging
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from opticstream.core.errors import ClaimLost, ClaimRefused
from opticstream.core.identifiers import UnitId
from opticstream.core.process_identity import ProcessIdentity, is_alive
from opticstream.core.settings import Settings
from opticstream.core.text import storable
from opticstream.state.database import db_now
from opticstream.state.rows import ProjectRow, insert_if_absent, lock_unit, update_unit
from opticstream.state.stages import too_early
from opticstream.state.tables import OWNER_LENGTH, claims, stages, units
from opticstream.state.views import utc

log = logging.getLogger(__name__)

Outcome = Literal["committed", "failed", "released", "died", "expired", "revoked"]
WORKER_DIED = "worker died"


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one stage of one unit, until the token is no longer the current one."""

    ident: UnitId
    stage: str
    token: int
    attempt: int
    unit_row: int
    source: dict[str, Any]
    """What the unit was registered with (file list, ...)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a claim was not given; committed together with what was found out."""

    reason: Literal["absent", "pending", "early", "done", "failed", "held", "backoff", "exhausted"]
    detail: str

    def error(self, ident: UnitId, stage: str) -> ClaimRefused:
        """Return the exception that tells the caller."""
        error = ClaimRefused(f"{ident} stage {stage}", found=self.detail)
        error.reason = self.reason
        return error


def take_claim(
    connection: Connection,
    project: ProjectRow,
    ident: UnitId,
    stage: str,
    *,
    owner: str,
    identity: ProcessIdentity,
    settings: Settings,
    force: bool = False,
) -> Claim | Refusal:
    """Claim a stage by compare-and-set under the unit's lock.

    A holder that died on this host is replaced at once; a live one on this host never; one on another host when its
    lease has run out by the database's clock. After ``max_attempts`` the unit is failed instead.

    Args:
        connection: an open write.
        project: the project's row.
        ident: the unit.
        stage: one of the level's stages.
        owner: who claims, for people (flow run name, host and pid).
        identity: the claiming process.
        settings: lease, attempts and backoff.
        force: also take failed, exhausted, done, or pending units.
    """
    row = lock_unit(connection, project, ident)
    if row is None:
        return Refusal("absent", "no such unit")
    insert_if_absent(connection, stages, {"unit_id": row.id, "name": stage, "attempts": 0, "not_before": 0.0})
    state = connection.execute(
        select(stages, db_now().label("now")).where(stages.c.unit_id == row.id, stages.c.name == stage)
    ).one()
    refusal = _refuse(row, state, force=force)
    if refusal is None and (early := too_early(connection, project, ident, row.id, stage)):
        refusal = Refusal("early", early)
    if refusal:
        return refusal
    attempts: int = state.attempts
    not_before: float = state.not_before
    if state.token is not None:
        held = _end_dead_claim(connection, state, identity, settings)
        if isinstance(held, Refusal):
            return held
        not_before = held
        _set_stage(connection, row.id, stage, token=None, not_before=not_before)
    if not force:
        if attempts >= settings.max_attempts:
            detail = f"{WORKER_DIED} {attempts} times" if row.status == "running" else f"{attempts} attempts"
            update_unit(connection, row.id, status="failed", error=row.error or detail, finished_at=db_now())
            return Refusal("exhausted", f"{detail}; `opticstream {ident.pipeline} retry --force` starts over")
        if state.now < not_before:
            return Refusal("backoff", f"attempt {attempts + 1} not before {utc(not_before):%H:%M:%S} UTC")
    elif attempts >= settings.max_attempts:
        attempts = 0
    token = _insert_claim(connection, row.id, ident, stage, owner, identity, settings)
    _set_stage(connection, row.id, stage, token=token, done_token=None, attempts=attempts + 1, not_before=0.0)
    first = row.started_at is None or not _other_stages_began(connection, row.id, stage)
    began: dict[str, Any] = {"started_at": db_now()} if first else {}
    update_unit(connection, row.id, status="running", error=None, finished_at=None, **began)
    return Claim(ident, stage, token, attempts + 1, row.id, dict(row.source or {}))


def _other_stages_began(connection: Connection, unit_id: int, stage: str) -> bool:
    """Say whether another stage of the unit is held or committed."""
    begun = (stages.c.token.is_not(None)) | (stages.c.done_token.is_not(None))
    where = (stages.c.unit_id == unit_id, stages.c.name != stage, begun)
    return connection.execute(select(stages.c.name).where(*where).limit(1)).first() is not None


def _refuse(row: Row[Any], state: Row[Any], *, force: bool) -> Refusal | None:
    """Return why a unit's status or stage forbids a claim, None when it does not."""
    if force:
        return None
    if state.done_token is not None:
        return Refusal("done", f"stage already committed with token {state.done_token}")
    if row.status == "failed":
        return Refusal("failed", f"failed: {row.error}")
    if row.status == "pending":
        return Refusal("pending", "the unit is not ready")
    return None


def _end_dead_claim(
    connection: Connection, state: Row[Any], identity: ProcessIdentity, settings: Settings
) -> Refusal | float:
    """End the claim that stands in the way if its holder is gone; return when the next attempt may start."""
    held = connection.execute(select(claims).where(claims.c.token == state.token)).one()
    holder = ProcessIdentity(held.host, held.pid, held.birth)
    alive = is_alive(holder, identity.host)
    if alive or (alive is None and state.now < held.lease_until):
        return Refusal("held", f"held by {held.owner} on {holder}, token {held.token}")
    outcome: Outcome = "expired" if alive is None else "died"
    log.warning("%s stage %s: claim %d of %s %s", held.unit, held.stage, held.token, holder, outcome)
    end_claim(connection, held.token, outcome)
    backoff = settings.retry_backoff_s
    wait = backoff[min(state.attempts, len(backoff) - 1)]
    # Counted from the last sign of life, so that a long outage is not added to the wait.
    return float(held.lease_until - settings.lease_s + wait)


def _insert_claim(
    connection: Connection,
    unit_id: int,
    ident: UnitId,
    stage: str,
    owner: str,
    identity: ProcessIdentity,
    settings: Settings,
) -> int:
    statement = insert(claims).values(
        unit_id=unit_id,
        unit=str(ident),
        stage=stage,
        owner=storable(owner)[:OWNER_LENGTH],
        host=identity.host,
        pid=identity.pid,
        birth=identity.birth,
        claimed_at=db_now(),
        lease_until=db_now() + settings.lease_s,
    )
    return int(connection.execute(statement.returning(claims.c.token)).scalar_one())


def _set_stage(connection: Connection, unit_id: int, stage: str, **values: Any) -> None:
    connection.execute(update(stages).where(stages.c.unit_id == unit_id, stages.c.name == stage).values(**values))


def end_claim(connection: Connection, token: int, outcome: Outcome) -> None:
    """Close a claim's row with how it ended."""
    connection.execute(update(claims).where(claims.c.token == token).values(outcome=outcome, ended_at=db_now()))


def revoke_claims(connection: Connection, unit_id: int) -> None:
    """Take every open claim of a unit away; its holders find out at their next write."""
    connection.execute(
        update(claims)
        .where(claims.c.unit_id == unit_id, claims.c.outcome.is_(None))
        .values(outcome="revoked", ended_at=db_now())
    )


def renew_claim(connection: Connection, claim: Claim, lease_s: float) -> None:
    """Extend the lease.

    Raises:
        ClaimLost: the token is no longer the current one.
    """
    result = connection.execute(
        update(claims)
        .where(claims.c.token == claim.token, claims.c.outcome.is_(None))
        .values(lease_until=db_now() + lease_s)
    )
    if result.rowcount != 1:
        raise lost(claim)


def check_token(connection: Connection, claim: Claim) -> None:
    """Check, under the unit's lock, that the claim is the current one.

    Raises:
        ClaimLost: it is not.
    """
    if not is_current(connection, claim):
        raise lost(claim)


def is_current(connection: Connection, claim: Claim) -> bool:
    """Say, under the unit's lock, whether the claim is the one that holds its stage."""
    token = connection.execute(
        select(stages.c.token).where(stages.c.unit_id == claim.unit_row, stages.c.name == claim.stage)
    ).scalar_one_or_none()
    return bool(token == claim.token)


def lost(claim: Claim) -> ClaimLost:
    """Return the error for a claim whose token is no longer the current one."""
    return ClaimLost(
        f"{claim.ident} stage {claim.stage}",
        found="another token in the store",
        expected=f"token {claim.token}",
        action="Another worker took over; nothing was written.",
    )


def ended_as(connection: Connection, claim: Claim, outcome: Outcome) -> bool:
    """Say whether a claim was ended so: for the writer that never heard whether its commit came through."""
    found = connection.execute(select(claims.c.outcome).where(claims.c.token == claim.token)).scalar_one_or_none()
    return found == outcome


def finish_stage(connection: Connection, claim: Claim, outcome: Outcome, result: dict[str, Any] | None = None) -> None:
    """Give the stage back; ``committed`` also records the token as the one whose products count, and the result."""
    if result is not None:
        store_result(connection, claim, result)
    done = {"done_token": claim.token} if outcome == "committed" else {}
    _set_stage(connection, claim.unit_row, claim.stage, token=None, **done)
    end_claim(connection, claim.token, outcome)


def store_result(connection: Connection, claim: Claim, result: dict[str, Any]) -> None:
    """Note in the claim's row what its holder found out or is about to do."""
    connection.execute(update(claims).where(claims.c.token == claim.token).values(result=result))


def undo_attempt(connection: Connection, claim: Claim) -> None:
    """Take back a claim that was never worked on: the attempt does not count and the unit is ready again.

    One that failed by another of its stages stays failed: only its operator makes it ready.
    """
    check_token(connection, claim)
    finish_stage(connection, claim, "released")
    _set_stage(connection, claim.unit_row, claim.stage, attempts=claim.attempt - 1)
    another = connection.execute(
        select(claims.c.token).where(claims.c.unit_id == claim.unit_row, claims.c.outcome.is_(None)).limit(1)
    ).scalar_one_or_none()
    status = connection.execute(select(units.c.status).where(units.c.id == claim.unit_row)).scalar_one()
    if another is None and status == "running":
        update_unit(connection, claim.unit_row, status="ready", started_at=None)
