"""What is around both machines of session sync: connections, time, an operator who wants out."""

import asyncio
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol, cast

from opticstream.rig.sync.effects import Drop, Effect, Finish, Outcome, Send
from opticstream.rig.sync.listening import keep_alive, shown
from opticstream.rig.sync.result import BarrierFailed, SyncResult
from opticstream.rig.sync.roster import Roster
from opticstream.rig.sync.roster_feed import OnRoster, RosterFeed
from opticstream.rig.sync.settings import SyncSettings
from opticstream.rig.sync.wire import BadLine, LineBuffer, encode

_BEAT_S = 0.05
_FAREWELL_S = 0.1
"""How long the last messages may take to leave; then connections are cut."""

Asked = Callable[[], bool]
"""Whether an operator, or a signal, has asked for something."""


class Machine(Protocol):
    """What both sides' machines have in common."""

    outcome: Outcome | None
    reason: str
    announced_at: float | None
    released_at: float | None

    @property
    def deadline(self) -> float:
        """When `time` must be called."""

    def roster(self) -> Roster:
        """Return who is here."""

    def received(self, number: int, line: bytes, now: float) -> list[Effect]:
        """Take a line."""

    def unreadable(self, number: int, why: str, now: float) -> list[Effect]:
        """Take what is no line."""

    def closed(self, number: int, now: float, error: str = "") -> list[Effect]:
        """Take the end of a connection."""

    def time(self, now: float) -> list[Effect]:
        """Do what is due."""

    def abort(self, outcome: Outcome, reason: str, now: float) -> list[Effect]:
        """Leave the barrier."""


class Connection(asyncio.Protocol):
    """One connection: bytes to lines for the machine."""

    def __init__(self, shell: "Shell", number: int) -> None:
        self._shell, self.number = shell, number
        self._lines = LineBuffer()
        self._transport: asyncio.Transport | None = None
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tell the machine."""
        self._transport = cast("asyncio.Transport", transport)
        connection: socket.socket = transport.get_extra_info("socket")
        keep_alive(connection)
        self._shell.connections[self.number] = self
        self._shell.opened(self.number, shown(transport.get_extra_info("peername")))

    def data_received(self, data: bytes) -> None:
        """Cut into lines; the machine hears of each."""
        try:
            for line in self._lines.feed(data):
                if not self._over:
                    self._shell.do(self._shell.machine.received(self.number, line, self._shell.now()))
        except BadLine as error:
            if not self._over:
                self._shell.do(self._shell.machine.unreadable(self.number, str(error), self._shell.now()))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the machine, with the reason if it did not end well."""
        self._shell.connections.pop(self.number, None)
        why = f"the connection broke ({exc})" if exc else ""
        self._shell.do(self._shell.machine.closed(self.number, self._shell.now(), why))
        self._shell.one_less()

    def send(self, data: bytes) -> None:
        """Send without waiting; what one side ever sends fits into the system's buffers."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """Close when everything is sent; listen no more."""
        self._over = True
        if self._transport is not None:
            self._transport.close()

    def cut(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()


class Shell(ABC):
    """Runs one machine on the running event loop until it has decided.

    Args:
        settings: of this side.
        on_roster: is called with each change of the roster, in a thread of its own.
        stop: asked twenty times a second whether to leave.
        bypass: asked likewise whether to go on without the others; only with ``allow_bypass``.
    """

    machine: Machine

    def __init__(
        self, settings: SyncSettings, on_roster: OnRoster | None, stop: Asked | None, bypass: Asked | None
    ) -> None:
        self.settings = settings
        self.connections: dict[int, Connection] = {}
        self._stop, self._bypass = stop, bypass if settings.allow_bypass else None
        self._on_roster = on_roster
        self._loop = asyncio.get_running_loop()
        self._finished: asyncio.Future[None] = self._loop.create_future()
        self._empty = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self.began = self.now()
        self.epoch = time.time() - self.began

    @abstractmethod
    async def begin(self) -> None:
        """Open what is to be open."""

    @abstractmethod
    async def end(self) -> None:
        """Close what `begin` opened."""

    @abstractmethod
    def opened(self, number: int, address: str) -> None:
        """Tell the machine of a new connection."""

    @abstractmethod
    def connect(self, number: int) -> None:
        """Open a connection."""

    @abstractmethod
    def status(self) -> str:
        """Return what is waited for, for a person."""

    @abstractmethod
    def result(self) -> SyncResult:
        """Return how it ended."""

    def now(self) -> float:
        """Return monotonic seconds."""
        return self._loop.time()

    def do(self, effects: list[Effect]) -> None:
        """Do what the machine asks, and be back when it has a deadline."""
        for effect in effects:
            match effect:
                case Send(number, message):
                    if number in self.connections:
                        self.connections[number].send(encode(message))
                case Drop(number, last):
                    connection = self.connections.get(number)
                    if connection is not None:
                        if last is not None:
                            connection.send(encode(last))
                        connection.close()
                case Finish():
                    if not self._finished.done():
                        self._finished.set_result(None)
                case _:
                    self.connect(effect.peer)
        self._arm()

    def one_less(self) -> None:
        """Take note that a connection is gone."""
        if not self.connections:
            self._empty.set()

    async def run(self) -> SyncResult:
        """Run to the decision.

        Raises:
            BarrierFailed: no name was agreed on.
        """
        feed = RosterFeed(self._on_roster)
        try:
            await self.begin()
            self._beat(feed, 0)
            self._time()
            await self._finished
        except asyncio.CancelledError:
            self.do(self.machine.abort("interrupted", "interrupted", self.now()))
            raise
        finally:
            try:
                await self._leave()
            finally:  # also when a second interruption ends the farewell: the feed is a thread
                feed.offer(self.machine.roster(), "")
                feed.close()
        result = self.result()
        if result.outcome in ("failed", "interrupted"):
            raise BarrierFailed(result)
        return result

    async def _leave(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self.end()
        for connection in list(self.connections.values()):
            connection.close()
        self._empty.clear()
        if self.connections:
            try:
                async with asyncio.timeout(_FAREWELL_S):
                    await self._empty.wait()
            except TimeoutError:
                for connection in list(self.connections.values()):
                    connection.cut()
                await asyncio.sleep(0)

    def _beat(self, feed: RosterFeed, count: int) -> None:
        if self._finished.done():
            return
        if self._stop is not None and self._stop():
            self.do(self.machine.abort("interrupted", "stopped", self.now()))
        if self._bypass is not None and self._bypass():
            self.do(self.machine.abort("bypassed", "the operator goes on without the others", self.now()))
        if count % 5 == 0:
            feed.offer(self.machine.roster(), self.status())
        self._loop.call_later(_BEAT_S, self._beat, feed, count + 1)

    def _arm(self) -> None:
        due = self.machine.deadline
        if self._finished.done() or (self._timer is not None and self._timer.when() <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._time)

    def _time(self) -> None:
        self._timer = None
        if not self._finished.done():
            self.do(self.machine.time(self.now()))

    def started_at(self) -> datetime:
        """Return when the barrier began, UTC."""
        return datetime.fromtimestamp(self.began + self.epoch, UTC)

    def handshake_s(self) -> float | None:
        """Return the seconds from announcement to release."""
        if self.machine.announced_at is None or self.machine.released_at is None:
            return None
        return self.machine.released_at - self.machine.announced_at
