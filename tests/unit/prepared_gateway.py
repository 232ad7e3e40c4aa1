"""A tiny HTTP server with prepared answers, for tests of the `odst` command."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from click.testing import CliRunner, Result

from cli.main import main

TOKEN = "a-token-that-nobody-may-see"
BREAK_OFF = (0, b"")
"""No answer: the connection is cut after the request was read."""


def nothing_there(_method: str, path: str) -> tuple[int, Any]:
    """Not found."""
    return 404, {"code": "NOT_FOUND", "detail": f"nothing at {path}"}


@dataclass
class Gateway:
    """Answers by method and path; remembers what it was asked."""

    url: str = ""
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    otherwise: Callable[[str, str], tuple[int, Any]] = nothing_there
    """What is answered to a method and a path that were not prepared."""
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with every answer, instead of what would be sent."""
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def run(self, *arguments: str, **options: Any) -> Result:
        """Run `odst` against this server."""
        environment = {"ODST_URL": self.url, "ODST_TOKEN": TOKEN, "ODST_TOKEN_FILE": None, "XDG_CACHE_HOME": os.devnull}
        return CliRunner(env=environment).invoke(main, list(arguments), **options)

    def bodies(self, call: str) -> list[Any]:
        """The JSON that came with each such call."""
        return [json.loads(body) for asked, _, body in self.asked if asked == call]


def _handler(gateway: Gateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            call = f"{self.command} {self.path}"
            gateway.asked.append((call, dict(self.headers), body))
            status, document = gateway.answers[call] if call in gateway.answers else gateway.otherwise(self.command, self.path)
            if (status, document) == BREAK_OFF:
                self.close_connection = True
                return
            content = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **gateway.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - names that http.server asks for

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def a_prepared_gateway() -> Iterator[Gateway]:
    """A gateway that knows nothing yet."""
    gateway = Gateway()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(gateway))
    gateway.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield gateway
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
