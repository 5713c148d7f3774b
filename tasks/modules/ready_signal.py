"""The ready signal between rigs, over ZeroMQ."""

import importlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opticstream.core.errors import BadInput

_EVERY_S = 0.05
_LINGER_MS = 500


def publish(address: str, message: str, seconds: float) -> None:
    """Send a message again and again: who subscribes meanwhile must get it too, and nobody can be asked.

    Args:
        address: to bind, such as ``tcp://*:5555``.
        message: what to send.
        seconds: how long; it is sent at least once, at the end.

    Raises:
        BadInput: the address is none or taken, or pyzmq is not installed.
    """
    with _socket("PUB", address, "zmq_ready_publisher_address") as socket:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            socket.send_string(message)
            time.sleep(min(_EVERY_S, left))
        socket.send_string(message)


def await_message(address: str, message: str, seconds: float) -> None:
    """Wait for a message; others are left out.

    Args:
        address: to connect to, such as ``tcp://localhost:5555``; nobody needs to be there yet.
        message: what to wait for.
        seconds: how long at most.

    Raises:
        TimeoutError: it did not come.
        BadInput: the address is none, or pyzmq is not installed.
    """
    with _socket("SUB", address, "zmq_ready_waiter_address") as socket:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if socket.poll(max(1, int(left * 1000))) and socket.recv() == message.encode():
                return
    raise TimeoutError(f"no {message!r} from {address} within {seconds:g} s")


@contextmanager
def _socket(kind: str, address: str, key: str) -> Iterator[Any]:
    try:
        zmq = importlib.import_module("zmq")
    except ImportError:
        raise BadInput(
            "pyzmq", found="not installed", expected="the extra zmq", action='Run pip install "opticstream[zmq]".'
        ) from None
    # A context of its own, so that its threads and the port are gone at the end.
    with zmq.Context() as context, context.socket(getattr(zmq, kind)) as socket:
        socket.linger = _LINGER_MS
        try:
            if kind == "PUB":
                socket.bind(address)
            else:
                socket.subscribe(b"")
                socket.connect(address)
        except zmq.ZMQError as error:
            raise BadInput(key, found=f"{address}: {error}", expected="an address such as tcp://*:5555") from None
        yield socket
