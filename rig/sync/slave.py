"""The slave's side of session sync, without sockets and clock: what arrives in, what to do out."""

import math
import secrets
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from opticstream.rig.sync.effects import Connect, Drop, Effect, Finish, Outcome, Send
from opticstream.rig.sync.proof import NONCE, Prover
from opticstream.rig.sync.roster import Node, NodeStatus, Roster
from opticstream.rig.sync.session_name import is_clean_session_name
from opticstream.rig.sync.settings import SyncSettings
from opticstream.rig.sync.wire import BadLine, Message, decode, printable, seconds_of, text_of

_LATE_S = 1.0
"""How much longer than the master's own deadline its decision may be on the way."""


class _Stage(Enum):
    WAITING = "waiting to connect again"
    CONNECTING = "connecting"
    GREETED = "has said that it is ready"
    PROVED = "has proved that it knows the secret"
    ACKED = "has acknowledged the name"


class SlaveMachine:
    """Decides when a slave may go on, and under which name.

    Every method takes what happened and the monotonic time ``now`` in seconds, and returns what is to be done.
    Call `time` when `deadline` has come, first of all at the start. After a `Finish` nothing more is asked of it.

    Args:
        settings: of a slave.
        now: the start; the total deadline counts from it.
        epoch: what added to monotonic seconds is the wall clock (seconds since 1970).
        nonce: draws a number that is never used twice.
        node_id: tells this process from another one with the same node name.
    """

    def __init__(
        self,
        settings: SyncSettings,
        *,
        now: float,
        epoch: float,
        nonce: Callable[[], str] = lambda: secrets.token_hex(16),
        node_id: str | None = None,
    ) -> None:
        self._settings = settings
        self._secret = settings.secret.get_secret_value() if settings.secret else None
        self._epoch, self._nonce = epoch, nonce
        self._node_id = node_id or uuid.uuid4().hex
        self._end = now + settings.timeout_sec
        self._stage = _Stage.WAITING
        self._peer = 0
        self._act_at: float | None = now
        """When to connect again, or when the answer is due."""
        self._own_nonce = ""
        self._prover: Prover | None = None
        self._confirms = False
        self._announced = ""
        self._last = ""
        self._status: NodeStatus | None = None
        self._since = now
        self.session_name: str | None = None
        self.outcome: Outcome | None = None
        self.reason = ""
        self.announced_at: float | None = None
        """When the name was last announced, monotonic seconds."""
        self.released_at: float | None = None
        """When it was allowed to go on, monotonic seconds."""
        self.clock_offset_s: float | None = None
        self.clock_uncertainty_s: float | None = None

    @property
    def deadline(self) -> float:
        """When `time` must be called at the latest, monotonic seconds."""
        return min(self._end, math.inf if self._act_at is None else self._act_at)

    def roster(self) -> Roster:
        """Return itself as its master sees it."""
        if self._status is None:
            return Roster(1)
        own = Node(
            name=self._settings.node_name,
            address="",
            status=self._status,
            since=datetime.fromtimestamp(self._since + self._epoch, UTC),
            reason=(self.reason or self._last) if self._status == "lost" else "",
            clock_offset_s=self.clock_offset_s,
            clock_uncertainty_s=self.clock_uncertainty_s,
        )
        return Roster(1, (own,))

    def state(self) -> str:
        """Return where it stands, for a person who waits."""
        master = f"{self._settings.master_host}:{self._settings.port}"
        match self._stage:
            case _Stage.GREETED | _Stage.PROVED:
                return f"connected to the master at {master}, which waits for the other slaves"
            case _Stage.ACKED:
                return f"acknowledged {self._announced!r}; the master at {master} waits for the other slaves to do so"
        return f"no master at {master}" + (f": {self._last}" if self._last else "")

    def connected(self, number: int, now: float) -> list[Effect]:
        """Take note that the connection is open."""
        if number != self._peer or self._stage is not _Stage.CONNECTING:
            return []
        self._stage, self._act_at = _Stage.GREETED, None
        self._prover = None
        self._note("ready", now)
        message = self._ready()
        if self._secret is not None:
            self._own_nonce = self._nonce()
            message[NONCE] = self._own_nonce
            self._act_at = now + self._settings.ack_timeout_sec
        return [Send(number, message)]

    def received(self, number: int, line: bytes, now: float) -> list[Effect]:
        """Take one line from the master."""
        if number != self._peer or self.outcome is not None:
            return []
        try:
            message = decode(line)
        except BadLine as error:
            return self.unreadable(number, str(error), now)
        if self._stage in (_Stage.WAITING, _Stage.CONNECTING):
            return []
        match message.get("status"):
            case "error":
                return self._refused(message, now)
            case "challenge" if self._stage is _Stage.GREETED and self._secret is not None:
                return self._challenged(message, now)
            case "announce" if self._stage in (_Stage.GREETED, _Stage.PROVED):
                return self._announcement(message, now)
            case "complete" if self._stage is _Stage.ACKED:
                return self._complete(message, now)
        return self.unreadable(number, "a message out of turn", now)

    def unreadable(self, number: int, why: str, now: float) -> list[Effect]:
        """Take note that what answers sends something that is no message."""
        if number != self._peer or self.outcome is not None:
            return []
        return self._fail(f"what answers at {self._where} is no session sync master: it sent {why}", now)

    def closed(self, number: int, now: float, error: str = "") -> list[Effect]:
        """Take note that a connection has ended or could not be opened; it is tried again until the deadline."""
        if number != self._peer or self.outcome is not None or self._stage is _Stage.WAITING:
            return []
        self._again(error or "the master closed the connection", now)
        return []

    def time(self, now: float) -> list[Effect]:
        """Do what has become due."""
        if self.outcome is not None:
            return []
        if now >= self._end:
            return self._fail(f"timed out after {self._settings.timeout_sec:g} s: {self.state()}", now)
        if self._act_at is None or now < self._act_at:
            return []
        if self._stage is _Stage.WAITING:
            self._peer += 1
            self._stage, self._act_at = _Stage.CONNECTING, None
            return [Connect(self._peer)]
        limit = self._settings.ack_timeout_sec
        return self._fail(f"the master at {self._where} did not prove within {limit:g} s that it knows the secret", now)

    def abort(self, outcome: Outcome, reason: str, now: float) -> list[Effect]:
        """Leave the barrier; one that has acknowledged cannot go on by itself, so a bypass is then ignored."""
        if self.outcome is not None or (outcome == "bypassed" and self._stage is _Stage.ACKED):
            return []
        return self._finish(outcome, reason, [Drop(self._peer)])

    @property
    def _where(self) -> str:
        return f"{self._settings.master_host}:{self._settings.port}"

    def _ready(self) -> dict[str, Any]:
        return {
            "session_key": self._settings.session_key,
            "state": "ready",
            "role": "slave",
            "node_name": self._settings.node_name,
            "protocol": 2,
            "node_id": self._node_id,
        }

    def _challenged(self, message: Message, now: float) -> list[Effect]:
        prover = Prover(self._secret or "", self._own_nonce, text_of(message, NONCE))
        # The master has tidied the name up before it proved anything about it.
        said = (self._settings.session_key, printable(self._settings.node_name.strip()))
        if not prover.holds(message, "master", *said):
            return self._fail(f"the master at {self._where} has another session_sync_secret", now)
        self._prover = prover
        self._stage, self._act_at = _Stage.PROVED, None
        return [Send(self._peer, self._ready() | prover.proof("slave", *said))]

    def _announcement(self, message: Message, now: float) -> list[Effect]:
        name = message.get("session_name")
        if self._secret is not None and (
            self._prover is None or not self._prover.holds(message, "announce", text_of(message, "session_name"))
        ):
            return self._decline("authentication_failed", "the master did not prove that it knows the secret", now)
        if text_of(message, "session_key") != self._settings.session_key:
            return self._decline("session_key_mismatch", "the master announces another session key", now)
        if not isinstance(name, str) or not is_clean_session_name(name):
            return self._decline("session_name_refused", f"{printable(repr(name))} cannot be a folder's name", now)
        self._announced, self.announced_at = name, now
        self._confirms = message.get("protocol") == 2
        self._stage, self._act_at = _Stage.ACKED, None
        self._note("acked", now)
        # Having said yes, it must not leave before the master can have decided: its deadline, not ours, ends the wait.
        left = seconds_of(message, "remaining_s")
        longest = self._settings.ack_timeout_sec
        self._end = max(self._end, now + (longest if left is None else min(left + _LATE_S, longest)))
        ack: dict[str, Any] = {"status": "ack", "session_name": name, "node_name": self._settings.node_name}
        ack |= {"received_at": now + self._epoch, "sent_at": now + self._epoch}
        return [Send(self._peer, ack | self._proof("ack"))]

    def _complete(self, message: Message, now: float) -> list[Effect]:
        if message.get("session_name") != self._announced:
            return self._fail("the master released another name than it announced", now)
        if self._prover and not self._prover.holds(message, "complete", self._announced):
            return self._fail("the master's release is not authentic", now)
        self.session_name, self.released_at = self._announced, now
        self.clock_offset_s = seconds_of(message, "clock_offset_s")
        self.clock_uncertainty_s = seconds_of(message, "clock_uncertainty_s")
        self._note("released", now)
        confirmation = None
        if self._confirms:
            confirmation = {
                "status": "released",
                "session_name": self._announced,
                "node_name": self._settings.node_name,
            }
        return self._finish("released", "", [Drop(self._peer, confirmation)])

    def _refused(self, message: Message, now: float) -> list[Effect]:
        said = printable(message.get("detail") or message.get("reason") or "no reason given", 1000)
        reason = printable(message.get("reason") or "")
        said = said if reason in ("", "master_gave_up") or reason == said else f"{reason}: {said}"
        if message.get("retry") is True:
            self._again(said, now)
            return [Drop(self._peer)]
        return self._fail(f"the master at {self._where} says: {said}", now)

    def _decline(self, reason: str, why: str, now: float) -> list[Effect]:
        """Fail, and tell the master why: it would only see a lost connection."""
        self._note("lost", now)
        last = {"status": "error", "reason": reason, "detail": why, "node_name": self._settings.node_name}
        return self._finish("failed", f"the master at {self._where}: {why}", [Drop(self._peer, last)])

    def _again(self, why: str, now: float) -> None:
        if self._stage is not _Stage.CONNECTING:
            self._note("lost", now)
        self._last = why
        self._stage, self._act_at = _Stage.WAITING, now + self._settings.retry_delay_sec

    def _fail(self, reason: str, now: float) -> list[Effect]:
        self._note("lost", now)
        return self._finish("failed", reason, [Drop(self._peer)])

    def _finish(self, outcome: Outcome, reason: str, last: list[Effect]) -> list[Effect]:
        self.outcome, self.reason = outcome, reason
        self._act_at = None
        return [*last, Finish(outcome)]

    def _proof(self, purpose: str) -> dict[str, str]:
        return self._prover.proof(purpose, self._announced) if self._prover else {}

    def _note(self, status: NodeStatus, now: float) -> None:
        if status == "lost" and self._status is None:
            return  # it was never there
        self._status, self._since = status, now
