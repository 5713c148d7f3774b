"""Real servers on this machine that take notices: a webhook, a mail server, and ones that do not answer."""

import contextlib
import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhook(ThreadingHTTPServer):
    """Keeps what is posted; answers with ``status``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.posts = 200, list[Any]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/services/T0/B0/secret"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Webhook)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.posts.append(json.loads(body))
        self.send_response(server.status)
        self.end_headers()
        self.wfile.write(b"ok" if server.status == 200 else b"no_service")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class says so)
        pass


@contextmanager
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class MailServer:
    """Takes one mail at a time, as RFC 5321 has it; refuses the recipients in ``refused``."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.mails: list[str] = []
        self.refused: set[str] = set()
        self.logins: list[str] = []

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb", buffering=0) as lines:
                self._talk(lines)

    def _talk(self, lines: Any) -> None:
        lines.write(b"220 peer\r\n")
        while line := lines.readline().decode().rstrip():
            verb = line[:4].upper()
            if verb == "EHLO":
                lines.write(b"250-peer\r\n250 AUTH PLAIN\r\n")
            elif verb == "AUTH":
                self.logins.append(line)
                lines.write(b"235 ok\r\n" if "wrong" not in self.refused else b"535 bad\r\n")
            elif verb == "RCPT" and any(name in line for name in self.refused):
                lines.write(b"550 unknown\r\n")
            elif verb == "DATA":
                lines.write(b"354 go\r\n")
                mail = b""
                while not mail.endswith(b"\r\n.\r\n"):
                    mail += lines.readline()
                self.mails.append(mail.decode())
                lines.write(b"250 ok\r\n")
            else:
                lines.write(b"221 bye\r\n" if verb == "QUIT" else b"250 ok\r\n")
            if verb == "QUIT":
                return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


@contextmanager
def silent_server() -> Iterator[int]:
    """Yield the port of a server that takes connections and says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield listener.getsockname()[1]


@contextmanager
def slow_server(seconds: float) -> Iterator[str]:
    """Yield the address of a server that takes so long for each answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(seconds)
            self.send_response(200)
            self.end_headers()

        log_message = _Handler.log_message

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def free_port() -> int:
    """Return a port where nobody listens, and which no system hands out by itself: nobody takes it meanwhile."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with contextlib.suppress(OSError), closing(socket.create_server(("127.0.0.1", port))):
            return port
