"""Taking connections, and ending that without one left half open."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable

from opticstream.rig.sync.listening import BACKLOG

_log = logging.getLogger("opticstream.rig.sync")
_RETRY_S = 1.0


class Acceptor:
    """Accepts on one listening socket until it is closed.

    `asyncio.Server` abandons a connection that it had accepted when it is closed a moment later
    (CPython issue 109564): neither side hears of it. Here closing waits for those that are just being opened.

    Args:
        listener: a bound socket; is closed with this.
        protocol: makes the protocol of each connection.
    """

    def __init__(self, listener: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
        listener.listen(BACKLOG)
        listener.setblocking(False)
        self._listener, self._protocol = listener, protocol
        self._closing = False
        self._opening: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    async def close(self) -> None:
        """Listen no more; every connection that was accepted is its protocol's when this returns."""
        self._closing = True
        with contextlib.suppress(NotImplementedError):  # Windows' loop has no readers
            asyncio.get_running_loop().remove_reader(self._listener)
        await asyncio.sleep(0)  # one that was accepted in this turn would be lost by a cancellation
        self._accepting.cancel()
        await asyncio.wait([self._accepting])
        self._listener.close()
        if self._opening:
            await asyncio.wait(self._opening)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._closing:
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except ConnectionError:
                continue  # the peer has already gone again
            except OSError as error:  # out of file handles or memory, say
                _log.warning("no connection can be taken for %g s: %s", _RETRY_S, error)
                await asyncio.sleep(_RETRY_S)
                continue
            opening = loop.create_task(self._open(connection))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    async def _open(self, connection: socket.socket) -> None:
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        except OSError as error:
            connection.close()
            _log.debug("a connection ended while it was being opened: %s", error)
