"""Sockets of session sync: where the master listens, and how a dead connection is noticed."""

import errno
import ipaddress
import os
import socket
from collections.abc import Iterable

from opticstream.core.errors import BadInput, SyncFailed

BACKLOG = 4096
"""All slaves may come in the same millisecond; the system caps it where it must."""
_KEEP_ALIVE = (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 11_000))
"""A computer that lost power or network is noticed after 11 s, so that its place is free when it is back."""


def open_listeners(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of ``host``; ``::`` listens on IPv4 too where the system can.

    On Windows the address is taken exclusively, since SO_REUSEADDR would share it there (not verified here).

    Raises:
        BadInput: ``host`` is no address of this computer, or the port is not this user's to take.
        SyncFailed: the port is in use.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise _no_address(host, error) from None
    listeners: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            listeners.append(_listen(family, address))
    except OSError as error:
        for listener in listeners:
            listener.close()
        if error.errno == errno.EADDRINUSE:
            raise SyncFailed(
                "session_sync_port",
                found=f"port {port} of {host} is in use by another program",
                action="End that program (an earlier master?), or choose another port in all parameter files.",
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM):
            raise BadInput(
                "session_sync_port", found=f"{port}: {error.strerror}", expected="a port above 1023"
            ) from None
        raise _no_address(host, error) from None
    return listeners


def _no_address(host: str, error: Exception) -> BadInput:
    return BadInput("session_sync_bind_host", found=f"{host!r} ({error})", expected="an address of this computer")


def _listen(family: int, address: tuple[object, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "nt":
            listener.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE"), 1)  # noqa: B009
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            both = address[0] == "::" and socket.has_dualstack_ipv6()
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if both else 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def keep_alive(connection: socket.socket) -> None:
    """Let the system notice a peer that is gone without a word."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE:
        option = getattr(socket, name, None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


def only_this_computer(listeners: Iterable[socket.socket]) -> bool:
    """Return whether no other computer can connect."""
    return all(
        ipaddress.ip_address(str(listener.getsockname()[0]).partition("%")[0]).is_loopback for listener in listeners
    )


def shown(address: object) -> str:
    """Return a socket's address as people write it."""
    if not isinstance(address, tuple) or len(address) < 2:
        return "?"
    host = str(address[0])
    return f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"
