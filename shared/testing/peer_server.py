"""A small real HTTP server for a peer under test: it answers exactly what it is told, right or wrong."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from shared.core.errors import InvalidInput


@dataclass(frozen=True)
class Asked:
    """One request as it came: `target` is the raw path and query, header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The path, still encoded."""
        return urlsplit(self.target).path

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A number of the query.

        Raises:
            InvalidInput: QUERY_INVALID, if it is none in range.
        """
        given = self.text(name) or str(default)
        if not given.isdigit() or not least <= int(given) <= most:
            raise InvalidInput(f"{name} must be a whole number from {least} to {most}", "QUERY_INVALID")
        return int(given)

    def object(self) -> dict[str, Any]:
        """The JSON object in the body.

        Raises:
            InvalidInput: BODY_INVALID, if it is none.
        """
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise InvalidInput("the body is no JSON", "BODY_INVALID") from error
        if not isinstance(document, dict):
            raise InvalidInput("the body is no JSON object", "BODY_INVALID")
        return document

    def text(self, name: str) -> str:
        """A value of the query, empty if it is not there."""
        return parse_qs(urlsplit(self.target).query).get(name, [""])[0]

    def range(self, size: int) -> tuple[int, int]:
        """First byte and the one after the last that a single `Range` asks for; the whole without one."""
        first, _, last = self.headers.get("range", f"bytes=0-{size - 1}").removeprefix("bytes=").partition("-")
        return int(first), min(size, int(last or size - 1) + 1)


Reply = tuple[int, dict[str, str], Iterable[bytes]]
"""Status, headers and body. Nothing is added but `Connection: close`, if no length is told."""


class PeerServer:
    """Serves `answer` on a free port of the loopback, each connection in a thread, until closed."""

    def __init__(self, answer: Callable[[Asked], Reply]) -> None:
        """Listens at once."""
        self._server = _Server(("127.0.0.1", 0), _handler(answer))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer nobody any more, on connections that are open neither."""
        self._server.shutdown()
        self._server.server_close()
        self._server.cut_connections()
        self._thread.join()

    def __enter__(self) -> Self:
        """Listening already."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close."""
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def cut_connections(self) -> None:
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show faults of a hook; that the other side hangs up is none."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def _handler(answer: Callable[[Asked], Reply]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Reads a request whole, asks for the answer, writes it as it is."""

        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, told, blocks = answer(Asked(self.command, self.path, headers, body))
            self.send_response_only(status)
            if "content-length" not in {name.lower() for name in told}:
                told = {**told, "Connection": "close"}
            for name, value in told.items():
                self.send_header(name, value)
            with contextlib.suppress(OSError):  # the other side may hang up, and often has good reason to
                self.end_headers()
                for block in blocks:
                    self.wfile.write(block)
                return
            self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the standard library's names

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    return Handler
