"""A network of machines in which time and faults are data: thousands of barriers in a second."""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from opticstream.rig.sync import Connect, Drop, Effect, Finish, MasterMachine, Send, SlaveMachine, SyncSettings
from opticstream.rig.sync.wire import encode

NAME = "mouse_2026-01-02_03-04-05"
_NOTICED_S = 3.0
"""When keep-alive tells of a connection that was cut without a word."""


@dataclass
class Link:
    """One connection between a slave and the master."""

    number: int
    slave: "Rig"
    local: int
    open_at_master: bool = True
    open_at_slave: bool = True
    cut: bool = False
    last: dict[str, float] = field(default_factory=dict)


class Rig:
    """One slave's process, which may be killed and started again."""

    def __init__(self, network: "Network", name: str) -> None:
        self.network, self.name = network, name
        self.machine: SlaveMachine | None = None
        self.link: Link | None = None
        self.killed = False
        self.ever_killed = False

    def start(self) -> None:
        self.killed = False
        self.machine = SlaveMachine(
            self.network.slave_settings(self.name), now=self.network.now, epoch=self.network.skew[self.name]
        )
        self.tick(self.machine)

    def kill(self) -> None:
        self.killed = self.ever_killed = True
        self.machine = None
        if self.link is not None:
            self.network.close(self.link, "slave")
            self.link = None

    def do(self, effects: list[Effect]) -> None:
        machine = self.machine
        for effect in effects:
            match effect:
                case Connect(number):
                    self.network.open(self, number)
                case Send(_, message) if self.link is not None:
                    self.network.carry(self.link, "master", encode(message))
                case Drop(_, last) if self.link is not None:
                    if last is not None:
                        self.network.carry(self.link, "master", encode(last))
                    self.network.close(self.link, "slave")
                    self.link = None
        if machine is not None and machine.outcome is None:
            self.network.at(machine.deadline, lambda: self.tick(machine))

    def tick(self, machine: SlaveMachine) -> None:
        if machine is self.machine:
            self.do(machine.time(self.network.now))


class Network:
    """One master, its slaves, and what happens between them; all chance comes from ``chance``."""

    def __init__(
        self, chance: random.Random, slaves: int, *, secret: str | None = None, slowest_s: float = 0.2
    ) -> None:
        self.chance, self.secret, self._slowest_s = chance, secret, slowest_s
        self.now = 0.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._numbers = itertools.count(1)
        self._links: dict[int, Link] = {}
        self.skew = {f"s{number}": chance.uniform(-100, 100) for number in range(slaves)}
        settings = SyncSettings(
            role="master",
            port=1,
            session_key="k",
            node_name="m",
            expected_slaves=slaves,
            timeout_sec=20,
            ack_timeout_sec=chance.choice((2, 5, 30)),
            secret=secret,
        )
        self.master = MasterMachine(settings, NAME, now=0.0, epoch=0.0)
        self.rigs = {name: Rig(self, name) for name in self.skew}
        self.at(self.master.deadline, self._tick)

    def slave_settings(self, name: str) -> SyncSettings:
        return SyncSettings(
            role="slave",
            port=1,
            session_key="k",
            node_name=name,
            master_host="h",
            timeout_sec=25,
            ack_timeout_sec=10,
            retry_delay_sec=0.5,
            secret=self.secret,
        )

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (max(when, self.now), next(self._order), what))

    def run(self) -> None:
        while self._queue:
            self.now, _, what = heapq.heappop(self._queue)
            assert self.now < 1000, "a barrier that never ends"
            what()

    def open(self, rig: Rig, local: int) -> None:
        """Connect after a while, if the master listens then."""
        machine = rig.machine

        def arrive() -> None:
            if rig.machine is not machine or machine is None:
                return
            if self.master.outcome is not None or self.chance.random() < 0.1:
                rig.do(machine.closed(local, self.now, "connection refused"))
                return
            link = Link(next(self._numbers), rig, local)
            self._links[link.number] = link
            rig.link = link
            self._do(self.master.connected(link.number, rig.name, self.now))
            rig.do(machine.connected(local, self.now))

        self.at(self.now + self._delay(), arrive)

    def carry(self, link: Link, to: str, data: bytes) -> None:
        """Bring bytes over in order, unless the link is cut on the way."""
        when = max(self.now + self._delay(), link.last.get(to, 0.0))
        link.last[to] = when
        line = data.rstrip(b"\n")

        def arrive() -> None:
            if link.cut:
                return
            if to == "master" and link.open_at_master:
                self._do(self.master.received(link.number, line, self.now))
            machine = link.slave.machine
            if to == "slave" and link.open_at_slave and machine is not None and link.slave.link is link:
                link.slave.do(machine.received(link.local, line, self.now))

        self.at(when, arrive)

    def close(self, link: Link, by: str) -> None:
        """End a connection on one side; the other hears of it after everything that was sent before."""
        if by == "slave":
            link.open_at_slave = False
        else:
            link.open_at_master = False
        other = "master" if by == "slave" else "slave"
        when = max(self.now + self._delay(), link.last.get(other, 0.0))
        self.at(when if not link.cut else self.now + _NOTICED_S, lambda: self._hear_end(link, other))

    def cut(self, link: Link) -> None:
        """Lose the connection without a word; both sides notice after a while."""
        link.cut = True
        for side in ("master", "slave"):
            self.at(self.now + _NOTICED_S * self.chance.uniform(0.5, 1), lambda side=side: self._hear_end(link, side))

    def random_link(self) -> Link | None:
        alive = [link for link in self._links.values() if link.open_at_slave and not link.cut]
        return self.chance.choice(alive) if alive else None

    def stranger(self, lines: list[bytes]) -> None:
        """Send lines from a connection that belongs to nobody; some hang up, some stay."""
        number = next(self._numbers)
        self._do(self.master.connected(number, "stranger", self.now))
        for line in lines:
            self.at(self.now + self._delay(), lambda line=line: self._do(self.master.received(number, line, self.now)))
        if self.chance.random() < 0.5:
            self.at(self.now + 3, lambda: self._do(self.master.closed(number, self.now)))

    def _delay(self) -> float:
        return self.chance.random() ** 3 * self._slowest_s

    def _hear_end(self, link: Link, side: str) -> None:
        if side == "master" and link.open_at_master:
            link.open_at_master = False
            self._do(self.master.closed(link.number, self.now))
        machine = link.slave.machine
        if side == "slave" and link.open_at_slave:
            link.open_at_slave = False
            if machine is not None and link.slave.link is link:
                link.slave.link = None
                link.slave.do(machine.closed(link.local, self.now))

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(number, message):
                    if number in self._links:
                        self.carry(self._links[number], "slave", encode(message))
                case Drop(number, last):
                    link = self._links.get(number)
                    if link is not None and link.open_at_master:
                        if last is not None:
                            self.carry(link, "slave", encode(last))
                        self.close(link, "master")
                case Finish():
                    assert self.master.outcome is not None
        if self.master.outcome is None:
            self.at(self.master.deadline, self._tick)

    def _tick(self) -> None:
        self._do(self.master.time(self.now))
