"""A line to a server that can be cut and mended: a TCP relay in threads."""

import contextlib
import socket
import threading
from typing import Self
from urllib.parse import urlsplit


class CutLine:
    """Relays to the server of a URL; ``url`` leads through here. Use as a context manager."""

    def __init__(self, url: str) -> None:
        target = urlsplit(url)
        assert target.hostname is not None and target.port is not None
        self._target = (target.hostname, target.port)
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = self._listener.getsockname()[1]
        self.url = target._replace(netloc=f"127.0.0.1:{self._port}").geturl()
        self._acceptor = self._run(self._accept, self._listener)

    def _run(self, work: object, *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
                self._open += [near, far]
                self._run(self._copy, near, far)
                self._run(self._copy, far, near)

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """End every connection and refuse new ones."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(60)  # it may have a connection in hand
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(60)
        for end in self._open:
            end.close()
        self._open.clear()
        self._threads.clear()

    def mend(self) -> None:
        """Listen again, at the same address."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._acceptor = self._run(self._accept, self._listener)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.cut()
