"""Who takes part in a session sync, as it can be shown: immutable, and perhaps a moment late."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

NodeStatus = Literal["ready", "announced", "acked", "released", "missed", "lost"]


@dataclass(frozen=True, slots=True)
class Node:
    """One rig that took part or tried to."""

    name: str
    address: str
    status: NodeStatus
    """ready: waits for the others; announced: knows the name; acked: has said so; released: goes on;
    missed: acknowledged, but may not know that it may go on; lost: its connection ended before."""
    since: datetime
    """When it came to this status."""
    reason: str = ""
    """Why it was lost or missed the release."""
    clock_offset_s: float | None = None
    """Its clock minus the master's, seconds; None when it does not tell (an old launcher)."""
    clock_uncertainty_s: float | None = None
    """How far the offset may be off: half the round trip."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A connection that was turned away."""

    address: str
    name: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Roster:
    """Everybody at one moment."""

    expected: int
    nodes: tuple[Node, ...] = ()
    refused: tuple[Refusal, ...] = ()
    """The latest ones only."""

    @property
    def here(self) -> tuple[Node, ...]:
        """Nodes that take part."""
        return tuple(node for node in self.nodes if node.status != "lost")

    @property
    def missing(self) -> int:
        """How many nodes are expected beyond those that take part."""
        return max(0, self.expected - len(self.here))

    @property
    def missed(self) -> tuple[str, ...]:
        """Names of the nodes that may not know that they may go on."""
        return tuple(node.name for node in self.nodes if node.status == "missed")

    def summary(self) -> str:
        """Return who is here and who is not, in one line."""
        waits = [node.name for node in self.here if node.status == "announced"]
        parts = [
            f"{len(self.here)} of {self.expected} slaves here: {_names([node.name for node in self.here])}",
            f"not acknowledged: {_names(waits)}" if waits else "",
            _reasons("lost", [(node.name, node.reason) for node in self.nodes if node.status == "lost"]),
            _reasons("refused", [(item.name or item.address, item.reason) for item in self.refused]),
        ]
        return "; ".join(part for part in parts if part)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "expected": self.expected,
            "missing": self.missing,
            "nodes": [
                {
                    "name": node.name,
                    "address": node.address,
                    "status": node.status,
                    "since": node.since.isoformat(),
                    "reason": node.reason,
                    "clock_offset_s": node.clock_offset_s,
                    "clock_uncertainty_s": node.clock_uncertainty_s,
                }
                for node in self.nodes
            ],
            "refused": [
                {"address": item.address, "name": item.name, "reason": item.reason, "at": item.at.isoformat()}
                for item in self.refused
            ],
        }


def _names(names: list[str], most: int = 20) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "none") + more


def _reasons(what: str, pairs: list[tuple[str, str]]) -> str:
    return f"{what}: {_names([f'{name} ({reason})' for name, reason in dict.fromkeys(pairs)])}" if pairs else ""
