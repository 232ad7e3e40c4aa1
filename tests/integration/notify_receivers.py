"""Receivers of webhooks on real sockets, good ones and bad ones."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, dict[str, str]]


@dataclass
class Receiver:
    """A web server that remembers what it was sent, and answers as told, then with 204."""

    port: int = 0
    replies: list[Reply] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    scheme: str = "http"
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self.scheme}://{self.host}:{self.port}/hook?x=1"


@contextmanager
def receiver(*replies: Reply, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Receiver]:
    """A receiver with these answers to its first requests."""
    made = Receiver(replies=list(replies), scheme="https" if tls else "http", host=host)

    class Handler(BaseHTTPRequestHandler):
        """Notes each request."""

        def do_POST(self) -> None:
            """Answer the next thing."""
            body = self.rfile.read(int(self.headers["content-length"]))
            made.requests.append((self.path, {key.lower(): value for key, value in self.headers.items()}, body))
            status, headers = made.replies.pop(0) if made.replies else (204, {})
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer((host, 0), Handler)
    server.handle_error = lambda *_args: None  # type: ignore[method-assign]
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    made.port = server.server_address[1]
    with _serving(server):
        yield made


@contextmanager
def raw_receiver(behave: Callable[[socket.socket], None], host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """The address of a server that does with each connection what `behave` does."""

    class Handler(socketserver.BaseRequestHandler):
        """Hands the connection over."""

        def handle(self) -> None:
            """Until the other side has had enough."""
            with contextlib.suppress(OSError):
                behave(self.request)

    class Server(socketserver.ThreadingTCPServer):
        """Does not wait for its threads."""

        daemon_threads = True
        block_on_close = False

    server = Server((host, port), Handler)
    with _serving(server):
        yield f"http://{host}:{server.server_address[1]}/"


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
