"""A metadata service that answers what a test tells it to."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Service:
    """One service: answers by path, one after the other; the last one repeats."""

    url: str = ""
    answers: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def will(self, path: str, *answers: tuple[int, Any]) -> None:
        """Answer a path with statuses and bodies; a body is JSON, bytes, ``hang`` or ``trickle``."""
        self.answers[f"/api/v2/{path}"] = list(answers)


def _handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.asked.append(self.path)
            left = service.answers.get(self.path, [(404, {"message": "no such record"})])
            status, body = left.pop(0) if len(left) > 1 else left[0]
            if body == "hang":
                service.released.wait(30)
                self.close_connection = True
                return
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(1000 if body == "trickle" else len(content)))
            self.end_headers()
            if body == "trickle":
                self.close_connection = True
                while not service.released.wait(0.05):
                    try:
                        self.wfile.write(b" ")
                    except OSError:
                        return
                return
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    return Handler


@contextmanager
def metadata_server() -> Iterator[Service]:
    """Run a service on a free port; it is gone afterwards, with those who wait for it."""
    service = Service()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(service))
    server.daemon_threads = False
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield service
    finally:
        service.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
        time.sleep(0)
