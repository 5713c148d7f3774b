"""What the master knows of one connection."""

from dataclasses import dataclass
from enum import Enum

from opticstream.rig.sync.proof import Prover
from opticstream.rig.sync.wire import Message, seconds_of


class Stage(Enum):
    """How far a connection has come."""

    NEW = "connected"
    CHALLENGED = "challenged"
    READY = "ready"
    ANNOUNCED = "announced"
    ACKED = "acked"
    RELEASED = "released"


@dataclass(slots=True)
class Peer:
    """One connection; a value of the machine, without a socket."""

    number: int
    address: str
    stage: Stage
    deadline: float | None
    """Monotonic seconds by which its next message is due; None: nothing is due."""
    name: str = ""
    node_id: str = ""
    modern: bool = False
    """It speaks our extra keys: tells its clock and confirms the release."""
    prover: Prover | None = None
    announced_at: float = 0.0
    clock_offset_s: float | None = None
    clock_uncertainty_s: float | None = None

    def estimate_clock(self, ack: Message, now: float, epoch: float) -> None:
        """Take the offset of its clock from announce and acknowledgement: four times, as NTP does.

        Args:
            ack: its acknowledgement, with its wall clock at arrival of the announcement and at sending.
            now: monotonic seconds at arrival.
            epoch: what added to monotonic seconds is the master's wall clock.
        """
        received, sent = seconds_of(ack, "received_at"), seconds_of(ack, "sent_at")
        if received is None or sent is None:
            return
        began, ended = self.announced_at + epoch, now + epoch
        self.clock_offset_s = ((received - began) + (sent - ended)) / 2
        # Its own processing cannot have taken longer than the whole, nor less than no time.
        self.clock_uncertainty_s = ((ended - began) - min(max(0.0, sent - received), ended - began)) / 2
