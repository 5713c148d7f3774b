"""Names to addresses without ever holding up the end of a barrier."""

import asyncio
import contextlib
import socket
import threading

Address = tuple[socket.AddressFamily, str, int]
"""Family, numeric host, port."""


async def resolve(host: str, port: int) -> list[Address]:
    """Return the addresses of a host, in the order to try them.

    A name server that does not answer keeps only a daemon thread waiting: asyncio's own way would make the event
    loop's end wait for it.

    Raises:
        OSError: the name is not known.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[Address]] = loop.create_future()

    def settle(addresses: list[Address], error: Exception | None) -> None:
        if found.done():
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)

    def ask() -> None:
        addresses: list[Address] = []
        problem: Exception | None = None
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            # getnameinfo keeps the scope of a link-local address.
            addresses = [
                (family, socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0], port)
                for family, _, _, _, address in rows
            ]
        except UnicodeError:
            problem = OSError(f"{host!r} is no host name")
        except OSError as error:
            problem = error
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody asks any more
            loop.call_soon_threadsafe(settle, addresses, problem)

    threading.Thread(target=ask, name="opticstream-sync-resolve", daemon=True).start()
    return await found
