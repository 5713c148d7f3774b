"""A slave of a session sync on real sockets."""

import asyncio

from opticstream.core.errors import BadInput
from opticstream.rig.sync.own_loop import in_own_loop
from opticstream.rig.sync.resolve import resolve
from opticstream.rig.sync.result import SyncResult
from opticstream.rig.sync.roster_feed import OnRoster
from opticstream.rig.sync.settings import SyncSettings
from opticstream.rig.sync.shell import Asked, Connection, Shell
from opticstream.rig.sync.slave import SlaveMachine

_ATTEMPT_S = 5.0
"""How long one address may keep us waiting for its answer."""


def run_slave(
    settings: SyncSettings,
    *,
    on_roster: OnRoster | None = None,
    stop: Asked | None = None,
    bypass: Asked | None = None,
) -> SyncResult:
    """Join the master, adopt its session name and return when everybody may go on.

    Runs an event loop of its own in the calling thread. Ctrl+C ends it at once. The master may be started later, and
    a lost connection is opened again, both until the deadline.

    Args:
        settings: of a slave.
        on_roster: is called with each change of its own place in the roster, in a thread of its own.
        stop: asked twenty times a second whether to give up (a signal, a cancellation).
        bypass: asked likewise whether to go on without the master, until the name is acknowledged; needs
            ``allow_bypass``.

    Returns:
        The result; outcome "released" with the agreed name, or "bypassed" without one.

    Raises:
        BarrierFailed: the master refused or gave up (its reason is in the message), the deadline has passed, or
            ``stop`` said so.
        RuntimeError: an event loop runs in this thread; await `slave_barrier`.
    """
    return in_own_loop(lambda: slave_barrier(settings, on_roster=on_roster, stop=stop, bypass=bypass))


async def slave_barrier(
    settings: SyncSettings,
    *,
    on_roster: OnRoster | None = None,
    stop: Asked | None = None,
    bypass: Asked | None = None,
) -> SyncResult:
    """Do what `run_slave` does, on the running event loop."""
    if settings.role != "slave" or settings.master_host is None:
        raise BadInput("session_sync_role", found=settings.role, expected="slave, with session_sync_master_host")
    return await _SlaveShell(settings, settings.master_host, on_roster, stop, bypass).run()


class _SlaveShell(Shell):
    machine: SlaveMachine

    def __init__(
        self, settings: SyncSettings, host: str, on_roster: OnRoster | None, stop: Asked | None, bypass: Asked | None
    ) -> None:
        super().__init__(settings, on_roster, stop, bypass)
        self._host = host
        self.machine = SlaveMachine(settings, now=self.began, epoch=self.epoch)
        self._attempt: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Nothing is opened before the machine asks."""

    async def end(self) -> None:
        """Give up an attempt that is under way."""
        if self._attempt is not None and not self._attempt.done():
            self._attempt.cancel()
            await asyncio.wait([self._attempt])

    def opened(self, number: int, address: str) -> None:
        """Tell the machine that it is connected."""
        self.do(self.machine.connected(number, self.now()))

    def connect(self, number: int) -> None:
        """Begin an attempt."""
        self._attempt = asyncio.create_task(self._try(number))

    def status(self) -> str:
        """Return where it stands."""
        left = max(0.0, self.began + self.settings.timeout_sec - self.now())
        return f"waiting {left:.0f} s more: {self.machine.state()}"

    def result(self) -> SyncResult:
        """Return how it ended."""
        return SyncResult(
            role="slave",
            node_name=self.settings.node_name,
            outcome=self.machine.outcome or "failed",
            session_name=self.machine.session_name,
            started_at=self.started_at(),
            waited_s=self.now() - self.began,
            reason=self.machine.reason,
            handshake_s=self.handshake_s(),
            clock_offset_s=self.machine.clock_offset_s,
            clock_uncertainty_s=self.machine.clock_uncertainty_s,
            roster=self.machine.roster(),
        )

    async def _try(self, number: int) -> None:
        """Try every address of the master, each for a while."""
        loop = asyncio.get_running_loop()
        limit = min(_ATTEMPT_S, self.settings.ack_timeout_sec)
        why = "the name has no address"
        try:
            async with asyncio.timeout(limit):
                addresses = await resolve(self._host, self.settings.port)
        except OSError as error:
            addresses = []
            why = _said(error, limit)
        for family, host, port in addresses:
            try:
                async with asyncio.timeout(limit):
                    await loop.create_connection(lambda: Connection(self, number), host, port, family=family)
                return
            except OSError as error:
                why = _said(error, limit)
        self.do(self.machine.closed(number, self.now(), why))


def _said(error: OSError, limit_s: float) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    # A TimeoutError says nothing.
    return error.strerror or str(error) or f"no answer within {limit_s:g} s"
