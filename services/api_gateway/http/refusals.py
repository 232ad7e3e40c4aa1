"""What gunicorn refuses by itself, before there is a request: as problem details, like every other error.

Gunicorn writes a page in HTML, and offers no way but this one to write something else.
"""

from __future__ import annotations

import json
import socket
from http import HTTPStatus

from gunicorn import util

from services.api_gateway.http.problems import document

_CODES = {
    403: "FORBIDDEN",
    414: "URI_TOO_LONG",
    417: "EXPECTATION_FAILED",
    431: "HEADERS_TOO_LARGE",
    500: "INTERNAL",
    501: "NOT_IMPLEMENTED",
}


def install() -> None:
    """From now on, in this process."""
    util.write_error = write_problem


def write_problem(connection: socket.socket, status: int, _reason: str, message: str) -> None:
    """The whole answer, after which the connection is closed."""
    detail = f"this is no request that can be answered: {message}"[:300] if message else "the request could not be answered"
    body = json.dumps(document(status, _CODES.get(status, "REQUEST_INVALID"), detail)).encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
        f"X-Content-Type-Options: nosniff\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    util.write_nonblock(connection, head.encode() + body)
