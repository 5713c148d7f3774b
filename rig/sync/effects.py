"""What the machines of session sync ask of the sockets around them."""

from dataclasses import dataclass
from typing import Literal

from opticstream.rig.sync.wire import Message

Outcome = Literal["released", "failed", "interrupted", "bypassed"]


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message to a peer."""

    peer: int
    message: Message


@dataclass(frozen=True, slots=True)
class Drop:
    """Send a last message, if there is one, and close the connection; the machine has forgotten it."""

    peer: int
    message: Message | None = None


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a new connection to the master; it is called by this number from now on."""

    peer: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The barrier is decided."""

    outcome: Outcome


Effect = Send | Drop | Connect | Finish
