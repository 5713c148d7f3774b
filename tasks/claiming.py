"""Claiming a unit for a run, or another one in its place, so that no run is made for nothing."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from prefect import get_run_logger
from prefect.runtime import flow_run

from opticstream.core.errors import ClaimRefused
from opticstream.core.identifiers import UnitId

W = TypeVar("W")

_FINE = {"done", "held", "backoff", "early"}
"""Refusals that leave nothing for this run, and are nobody's fault."""


def run_owner(fallback: str) -> str:
    """Return who claims, for people: the run's name and id."""
    return f"{flow_run.get_name() or fallback} {flow_run.get_id() or ''}".rstrip()


def claim_first(candidates: Iterable[UnitId], claim: Callable[[UnitId, bool], W], *, force: bool = False) -> W | str:
    """Claim the first unit that can be had.

    Args:
        candidates: the unit that was asked for, then those that may be taken in its place.
        claim: takes (unit, force); raises ClaimRefused.
        force: for the one that was asked for.

    Returns:
        What ``claim`` returned, or why there is nothing for this run: ``done``, ``held``, ``backoff`` or ``early``.

    Raises:
        ClaimRefused: the one that was asked for has failed, used up its attempts, or is unknown.
    """
    refused = None
    for candidate in candidates:
        try:
            return claim(candidate, force)
        except ClaimRefused as problem:
            refused = refused or problem
            force = False
    assert refused is not None  # noqa: S101 (there is at least the one that was asked for)
    if refused.reason not in _FINE:
        raise refused
    get_run_logger().info("Nothing to do: %s", refused)
    return refused.reason
