"""The master's side of session sync, without sockets and clock: what arrives in, what to do out."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from opticstream.rig.sync.deadlines import Deadlines
from opticstream.rig.sync.effects import Drop, Effect, Finish, Outcome, Send
from opticstream.rig.sync.members import Members
from opticstream.rig.sync.peer import Peer, Stage
from opticstream.rig.sync.proof import NONCE, Prover
from opticstream.rig.sync.roster import Roster
from opticstream.rig.sync.settings import SyncSettings
from opticstream.rig.sync.wire import BadLine, Message, decode, printable, text_of

RELEASE_GRACE_S = 5.0
"""How long after the release those are waited for who have not confirmed it."""

_STRANGERS = 64
_LONGEST_DETAIL = 1000
_PLACED = (Stage.READY, Stage.ANNOUNCED, Stage.ACKED, Stage.RELEASED)


class MasterMachine:
    """Decides when the slaves of one session may go on, and under which name.

    Every method takes what happened and the monotonic time ``now`` in seconds, and returns what is to be done.
    Call `time` when `deadline` has come. After a `Finish` nothing more is asked of it.

    Args:
        settings: of a master.
        session_name: the name to agree on, clean.
        now: the start; the total deadline counts from it.
        epoch: what added to monotonic seconds is the wall clock (seconds since 1970).
        nonce: draws a number that is never used twice.
    """

    def __init__(
        self,
        settings: SyncSettings,
        session_name: str,
        *,
        now: float,
        epoch: float,
        nonce: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._settings, self._name = settings, session_name
        self._expected = settings.expected_slaves or 0
        self._secret = settings.secret.get_secret_value() if settings.secret else None
        self._epoch, self._nonce = epoch, nonce
        self._end = now + settings.timeout_sec
        self._peers: dict[int, Peer] = {}
        self._strangers: dict[int, None] = {}
        self._by_name: dict[str, int] = {}
        self._acked = 0
        self._unconfirmed: set[str] = set()
        self._deadlines = Deadlines()
        self.members = Members(self._expected, lambda at: datetime.fromtimestamp(at + epoch, UTC))
        self.outcome: Outcome | None = None
        self.reason = ""
        self.announced_at: float | None = None
        """When the name was first announced, monotonic seconds."""
        self.released_at: float | None = None
        """When the last acknowledgement let everybody go, monotonic seconds."""

    @property
    def deadline(self) -> float:
        """When `time` must be called at the latest, monotonic seconds."""
        return min(self._end, self._deadlines.earliest())

    def roster(self) -> Roster:
        """Return who is here, who was lost and who was refused."""
        return self.members.roster()

    def connected(self, number: int, address: str, now: float) -> list[Effect]:
        """Take a new connection; its first message is due at once."""
        peer = Peer(number, address, Stage.NEW, None)
        self._peers[number] = peer
        self._strangers[number] = None
        self._due(peer, now)
        if len(self._strangers) > _STRANGERS + 2 * self._expected:
            # Whoever belongs here speaks at once, so the one that has been silent longest does not.
            return self._refuse(self._peers[next(iter(self._strangers))], "too_many_connections", now)
        return []

    def received(self, number: int, line: bytes, now: float) -> list[Effect]:
        """Take one line of a connection."""
        peer = self._peers.get(number)
        if peer is None or self.outcome is not None:
            return []
        if now >= self._end and self.released_at is None:
            return self._at_end(now)  # this computer stood still: the slaves have given up, so nobody may be released
        try:
            message = decode(line)
        except BadLine as error:
            return self._refuse(peer, "invalid_message", now, str(error))
        return self._ANSWERS[peer.stage](self, peer, message, now)

    def unreadable(self, number: int, why: str, now: float) -> list[Effect]:
        """Take note that a connection sends what is no line."""
        peer = self._peers.get(number)
        return self._refuse(peer, "invalid_message", now, why) if peer else []

    def closed(self, number: int, now: float, error: str = "") -> list[Effect]:
        """Take note that a connection has ended; without ``error`` everything sent has left."""
        peer = self._peers.get(number)
        if peer is None:
            return []
        self._forget(peer)
        if self.outcome is not None:
            return []
        if peer.stage is Stage.RELEASED and not peer.modern and not error:
            return self._confirm(peer, now)
        if peer.stage in _PLACED:
            self._lose(peer, error or "the connection ended", now)
        return []

    def time(self, now: float) -> list[Effect]:
        """Do what has become due."""
        if self.outcome is not None:
            return []
        effects: list[Effect] = []
        for number in self._deadlines.due(now):
            peer = self._peers[number]
            answer = "acknowledgement" if peer.stage is Stage.ANNOUNCED else "complete first message"
            why = f"no {answer} within {self._settings.ack_timeout_sec:g} s"
            # Its computer may have stood still: it is as welcome back as one that was started anew.
            effects += self._refuse(peer, "answer_timeout", now, why, retry=True)
        if now >= self._end and self.outcome is None:
            effects += self._at_end(now)
        return effects

    def abort(self, outcome: Outcome, reason: str, now: float) -> list[Effect]:
        """End the barrier for all; they are told why. After the release it only ends the wait for confirmations."""
        if self.outcome is not None:
            return []
        if self.released_at is not None:
            return self._at_end(now)
        self.outcome, self.reason = outcome, reason
        last = _error("master_gave_up", f"the master gave up: {reason}")
        return [*(Drop(number, last) for number in self._peers), Finish(outcome)]

    def _at_end(self, now: float) -> list[Effect]:
        if self.released_at is None:
            return self.abort("failed", f"timed out after {self._settings.timeout_sec:g} s: {self._blame()}", now)
        for name in self._unconfirmed:
            number = self._by_name.get(name)
            if number is not None:
                self.members.now(self._peers[number], "missed", now, "did not confirm the release")
        self.outcome = "released"
        return [*map(Drop, self._peers), Finish("released")]

    def _blame(self) -> str:
        missing = self._expected - len(self._by_name)
        return (f"{missing} missing; " if missing else "") + self.roster().summary()

    def _hello(self, peer: Peer, message: Message, now: float) -> list[Effect]:
        """Take a first message: the right key first, then the right state, as the old launcher checks them."""
        peer.name = printable(text_of(message, "node_name").strip()) or peer.address
        if text_of(message, "session_key") != self._settings.session_key:
            return self._refuse(peer, "session_key_mismatch", now, "the session key is not the master's")
        if message.get("state") != "ready":
            return self._refuse(peer, "invalid_state", now, "the first message must say that it is ready")
        peer.modern = message.get("protocol") == 2
        peer.node_id = text_of(message, "node_id")
        number = text_of(message, NONCE)
        if self._secret is None:
            if number:
                return self._refuse(peer, "authentication_unavailable", now, "the master has no session_sync_secret")
            return self._admit(peer, now)
        if not number:
            return self._refuse(peer, "authentication_required", now, "it has no session_sync_secret")
        own = self._nonce()
        peer.prover = Prover(self._secret, number, own)
        peer.stage = Stage.CHALLENGED
        self._due(peer, now)
        proof = peer.prover.proof("master", self._settings.session_key, peer.name)
        return [Send(peer.number, {"status": "challenge", NONCE: own, **proof})]

    def _prove(self, peer: Peer, message: Message, now: float) -> list[Effect]:
        if peer.prover is None or not peer.prover.holds(message, "slave", self._settings.session_key, peer.name):
            return self._refuse(peer, "authentication_failed", now, "its session_sync_secret is not the master's")
        return self._admit(peer, now)

    def _admit(self, peer: Peer, now: float) -> list[Effect]:
        effects: list[Effect] = []
        known = self._by_name.get(peer.name)
        if known is not None:
            other = self._peers[known]
            if not peer.node_id or other.node_id != peer.node_id:
                return self._refuse(
                    peer,
                    "duplicate_node_name",
                    now,
                    f"a slave named {peer.name} is already here; give each its own session_sync_node_name",
                    retry=True,
                )
            effects += [Drop(known)]  # the same process: it knows that its old connection is dead
            self._forget(other)
        if self.released_at is not None:
            if peer.name not in self._unconfirmed:
                return [*effects, *self._refuse(peer, "already_released", now, "the session goes on without it")]
        elif len(self._by_name) >= self._expected:
            text = f"{self._expected} slaves are here already"
            return [*effects, *self._refuse(peer, "session_full", now, text, retry=True)]
        self._by_name[peer.name] = peer.number
        self._strangers.pop(peer.number, None)
        peer.stage = Stage.READY
        self._lift(peer)
        self.members.now(peer, "ready", now)
        if self.announced_at is not None:
            return [*effects, self._announce(peer, now)]
        if len(self._by_name) == self._expected:
            self.announced_at = now
            effects += [self._announce(self._peers[number], now) for number in self._by_name.values()]
        return effects

    def _announce(self, peer: Peer, now: float) -> Effect:
        peer.stage, peer.announced_at = Stage.ANNOUNCED, now
        self._due(peer, now)
        self.members.now(peer, "announced", now)
        message: dict[str, Any] = {
            "status": "announce",
            "session_key": self._settings.session_key,
            "session_name": self._name,
            "expected_slaves": self._expected,
            "master": self._settings.node_name,
        }
        if peer.modern:
            message |= {"protocol": 2, "remaining_s": max(0.0, self._end - now)}
        return Send(peer.number, message | self._proof(peer, "announce"))

    def _ack(self, peer: Peer, message: Message, now: float) -> list[Effect]:
        if message.get("status") == "error":
            said = printable(message.get("detail") or message.get("reason") or "no reason")
            return self._refuse(peer, "slave_refused", now, f"it says: {said}")
        if message.get("status") != "ack" or message.get("session_name") != self._name:
            return self._refuse(peer, "invalid_acknowledgement", now, "it did not acknowledge the announced name")
        if peer.prover and not peer.prover.holds(message, "ack", self._name):
            return self._refuse(peer, "authentication_failed", now, "its acknowledgement is not authentic")
        peer.estimate_clock(message, now, self._epoch)
        peer.stage = Stage.ACKED
        self._lift(peer)
        self._acked += 1
        self.members.now(peer, "acked", now)
        if self.released_at is not None:
            return [self._release(peer, now)]
        if self._acked < self._expected:
            return []
        self.released_at = now
        self._end = now + min(RELEASE_GRACE_S, self._settings.ack_timeout_sec)
        self._unconfirmed = set(self._by_name)
        return [self._release(self._peers[number], now) for number in self._by_name.values()]

    def _release(self, peer: Peer, now: float) -> Effect:
        peer.stage = Stage.RELEASED
        message: dict[str, Any] = {"status": "complete", "session_name": self._name}
        if not peer.modern:
            self.members.now(peer, "released", now)
            return Drop(peer.number, message)  # it has nothing more to say; whether all was sent, `closed` tells
        if peer.clock_offset_s is not None:
            message |= {"clock_offset_s": peer.clock_offset_s, "clock_uncertainty_s": peer.clock_uncertainty_s}
        return Send(peer.number, message | self._proof(peer, "complete"))

    def _confirmed(self, peer: Peer, message: Message, now: float) -> list[Effect]:
        if not peer.modern:
            return []
        if message.get("status") != "released":
            return self._refuse(peer, "invalid_message", now, "it did not confirm the release")
        self._forget(peer)
        return [Drop(peer.number), *self._confirm(peer, now)]

    def _confirm(self, peer: Peer, now: float) -> list[Effect]:
        self.members.now(peer, "released", now)
        self._unconfirmed.discard(peer.name)
        return self._at_end(now) if not self._unconfirmed else []

    def _unexpected(self, peer: Peer, message: Message, now: float) -> list[Effect]:
        if message.get("status") == "error":
            return self._ack(peer, message, now)
        return self._refuse(peer, "invalid_message", now, "it spoke when it had nothing to say")

    _ANSWERS = {  # noqa: RUF012 (never changed)
        Stage.NEW: _hello,
        Stage.CHALLENGED: _prove,
        Stage.READY: _unexpected,
        Stage.ANNOUNCED: _ack,
        Stage.ACKED: _unexpected,
        Stage.RELEASED: _confirmed,
    }

    def _refuse(self, peer: Peer, reason: str, now: float, detail: str = "", *, retry: bool = False) -> list[Effect]:
        """Turn a connection away, with a reason for it and for the roster."""
        self._forget(peer)
        if peer.stage in _PLACED:
            self._lose(peer, detail or reason, now)
        else:
            self.members.refused(peer, f"{reason}: {detail}" if detail else reason, now)
        return [Drop(peer.number, _error(reason, detail, retry=retry))]

    def _lose(self, peer: Peer, why: str, now: float) -> None:
        """Write down that a node's connection is gone: before the release its place is free, after it is reported."""
        self.members.now(peer, "missed" if peer.name in self._unconfirmed else "lost", now, why)

    def _forget(self, peer: Peer) -> None:
        del self._peers[peer.number]
        self._strangers.pop(peer.number, None)
        self._deadlines.set(peer.number, None)
        if self._by_name.get(peer.name) == peer.number:
            del self._by_name[peer.name]
        if peer.stage is Stage.ACKED:
            self._acked -= 1

    def _due(self, peer: Peer, now: float) -> None:
        peer.deadline = now + self._settings.ack_timeout_sec
        self._deadlines.set(peer.number, peer.deadline)

    def _lift(self, peer: Peer) -> None:
        peer.deadline = None
        self._deadlines.set(peer.number, None)

    def _proof(self, peer: Peer, purpose: str) -> dict[str, str]:
        return peer.prover.proof(purpose, self._name) if peer.prover else {}


def _error(reason: str, detail: str = "", *, retry: bool = False) -> Message:
    return {"status": "error", "reason": reason, "detail": detail[:_LONGEST_DETAIL], "retry": retry}
