"""The master's book of who took part, for the roster."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from opticstream.rig.sync.peer import Peer
from opticstream.rig.sync.roster import Node, NodeStatus, Refusal, Roster

_REFUSALS = 20
_LOST = 256


class Members:
    """Names and what became of them; bounded, whatever strangers do.

    Args:
        expected: how many nodes are awaited.
        wall: turns the machine's monotonic seconds into a UTC time.
    """

    def __init__(self, expected: int, wall: Callable[[float], datetime]) -> None:
        self._expected, self._wall = expected, wall
        self._nodes: dict[str, Node] = {}
        self._refused: deque[Refusal] = deque(maxlen=_REFUSALS)

    def now(self, peer: Peer, status: NodeStatus, now: float, reason: str = "") -> None:
        """Write down a node's new status."""
        if peer.name not in self._nodes and len(self._nodes) >= self._expected + _LOST:
            lost = next((name for name, node in self._nodes.items() if node.status == "lost"), None)
            if lost is not None:
                del self._nodes[lost]
        self._nodes[peer.name] = Node(
            name=peer.name,
            address=peer.address,
            status=status,
            since=self._wall(now),
            reason=reason,
            clock_offset_s=peer.clock_offset_s,
            clock_uncertainty_s=peer.clock_uncertainty_s,
        )

    def refused(self, peer: Peer, reason: str, now: float) -> None:
        """Write down a connection that was turned away; one that keeps coming is written down once."""
        refusal = Refusal(peer.address.rpartition(":")[0], peer.name, reason, self._wall(now))
        for known in self._refused:
            if replace(known, at=refusal.at) == refusal:
                return
        self._refused.append(refusal)

    def roster(self) -> Roster:
        """Return what can be shown now."""
        return Roster(self._expected, tuple(self._nodes.values()), tuple(self._refused))
