"""The master of a session sync on real sockets."""

import logging
import socket

from opticstream.core.errors import BadInput
from opticstream.rig.sync.accepting import Acceptor
from opticstream.rig.sync.listening import only_this_computer, open_listeners, shown
from opticstream.rig.sync.master import MasterMachine
from opticstream.rig.sync.own_loop import in_own_loop
from opticstream.rig.sync.result import SyncResult
from opticstream.rig.sync.roster_feed import OnRoster
from opticstream.rig.sync.session_name import clean_session_name
from opticstream.rig.sync.settings import SyncSettings
from opticstream.rig.sync.shell import Asked, Connection, Shell

_log = logging.getLogger("opticstream.rig.sync")


def run_master(
    settings: SyncSettings,
    session_name: str,
    *,
    on_roster: OnRoster | None = None,
    stop: Asked | None = None,
    bypass: Asked | None = None,
    listener: socket.socket | None = None,
) -> SyncResult:
    """Wait until all slaves know the session's name and may go on; returns with them.

    Runs an event loop of its own in the calling thread. Ctrl+C ends it at once; the slaves are told.

    Args:
        settings: of a master.
        session_name: what becomes the agreed name, cleaned by `clean_session_name`.
        on_roster: is called with each change of the roster, in a thread of its own.
        stop: asked twenty times a second whether to give up (a signal, a cancellation).
        bypass: asked likewise whether to go on without the slaves, who are told; needs ``allow_bypass``.
        listener: listen on this bound socket instead of ``bind_host`` and ``port``; it is closed at the end.

    Returns:
        The result with the agreed name, outcome "released" or "bypassed".

    Raises:
        BadInput: the name or an address cannot be used.
        SyncFailed: the port is in use.
        BarrierFailed: the deadline has passed, or ``stop`` said so; its ``result`` says who was missing.
        RuntimeError: an event loop runs in this thread; await `master_barrier`.
    """
    return in_own_loop(
        lambda: master_barrier(settings, session_name, on_roster=on_roster, stop=stop, bypass=bypass, listener=listener)
    )


async def master_barrier(
    settings: SyncSettings,
    session_name: str,
    *,
    on_roster: OnRoster | None = None,
    stop: Asked | None = None,
    bypass: Asked | None = None,
    listener: socket.socket | None = None,
) -> SyncResult:
    """Do what `run_master` does, on the running event loop."""
    if settings.role != "master" or settings.expected_slaves is None:
        raise BadInput("session_sync_role", found=settings.role, expected="master, with session_sync_expected_slaves")
    name = clean_session_name(session_name)
    if name != session_name:
        _log.warning("the session is called %r: %r cannot be a folder's name", name, session_name)
    return await _MasterShell(settings, name, on_roster, stop, bypass, listener).run()


class _MasterShell(Shell):
    machine: MasterMachine

    def __init__(
        self,
        settings: SyncSettings,
        name: str,
        on_roster: OnRoster | None,
        stop: Asked | None,
        bypass: Asked | None,
        listener: socket.socket | None,
    ) -> None:
        super().__init__(settings, on_roster, stop, bypass)
        self._name = name
        self.machine = MasterMachine(settings, name, now=self.began, epoch=self.epoch)
        self._listeners = [listener] if listener else []
        self._acceptors: list[Acceptor] = []
        self._count = 0
        self._note = ""

    async def begin(self) -> None:
        """Listen."""
        self._listeners = self._listeners or open_listeners(self.settings.bind_host, self.settings.port)
        self._acceptors = [Acceptor(listener, self._accept) for listener in self._listeners]
        where = ", ".join(shown(listener.getsockname()) for listener in self._listeners)
        if only_this_computer(self._listeners):
            self._note = f"; other computers cannot reach {where}: session_sync_bind_host changes that"
        elif self.settings.secret is None:
            _log.warning("anyone who can reach %s and knows the key can take part: set session_sync_secret", where)
        _log.info(
            "master %s listens on %s for %d slaves%s",
            self.settings.node_name,
            where,
            self.settings.expected_slaves,
            self._note,
        )

    async def end(self) -> None:
        """Listen no more."""
        for acceptor in self._acceptors:
            await acceptor.close()
        for listener in self._listeners:
            listener.close()

    def opened(self, number: int, address: str) -> None:
        """Tell the machine of a new connection."""
        self.do(self.machine.connected(number, address, self.now()))

    def connect(self, number: int) -> None:
        """Never asked: a master is connected to."""

    def status(self) -> str:
        """Return who is here and who is not."""
        left = max(0.0, self.began + self.settings.timeout_sec - self.now())
        return f"waiting {left:.0f} s more: {self.machine.roster().summary()}{self._note}"

    def result(self) -> SyncResult:
        """Return how it ended."""
        outcome = self.machine.outcome or "failed"
        return SyncResult(
            role="master",
            node_name=self.settings.node_name,
            outcome=outcome,
            session_name=self._name if outcome in ("released", "bypassed") else None,
            started_at=self.started_at(),
            waited_s=self.now() - self.began,
            reason=self.machine.reason,
            handshake_s=self.handshake_s(),
            roster=self.machine.roster(),
        )

    def _accept(self) -> Connection:
        self._count += 1
        return Connection(self, self._count)
