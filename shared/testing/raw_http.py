"""HTTP on a bare socket: what client libraries would tidy up, complete or refuse to send."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse

_PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class RawAnswer:
    """An answer as it came."""

    status: int
    headers: HTTPMessage
    body: bytes


def head(method: str, target: str | bytes, *lines: str | bytes) -> bytes:
    """The head of a request, byte for byte, with a `Host`. Text is sent in UTF-8."""
    first = _bytes(method) + b" " + _bytes(target) + b" HTTP/1.1"
    return b"\r\n".join([first, b"Host: odst", *map(_bytes, lines), b"", b""])


@contextmanager
def connection(port: int) -> Iterator[socket.socket]:
    """A connection to the loopback that gives up after half a minute of silence."""
    with socket.create_connection(("127.0.0.1", port), _PATIENCE_SECONDS) as opened:
        yield opened


def read_answer(opened: socket.socket, method: str = "GET") -> RawAnswer:
    """The next answer.

    Raises:
        OSError, http.client.HTTPException: if none comes.
    """
    response = HTTPResponse(opened, method=method)
    response.begin()
    return RawAnswer(response.status, response.headers, response.read())


def exchange(port: int, request: bytes, method: str = "GET") -> RawAnswer:
    """Send these bytes on a connection of their own; the answer."""
    with connection(port) as opened:
        opened.sendall(request)
        return read_answer(opened, method)


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
