"""Where `odst login --browser` waits for the provider's answer: a loopback address with a port of the moment (RFC 8252, 7.3)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, urlsplit

from shared.core.errors import InvalidInput

_PAGE = b"<!doctype html><meta charset=utf-8><title>ODST</title><p>You can close this window and go back to the command line."
_SILENCE_SECONDS = 5
_KNOWN = ("state", "code", "iss", "error")


class Waiting(HTTPServer):
    """Waits for one browser, which comes back with this state; all others are told that there is nothing."""

    timeout = 1.0

    def __init__(self) -> None:
        """Listens from now on."""
        super().__init__(("127.0.0.1", 0), _Once)
        self.state = ""
        self.came: dict[str, str] = {}

    @property
    def address(self) -> str:
        """Where the browser comes back to."""
        return f"http://127.0.0.1:{self.server_port}/"

    def wait(self, url: str, seconds: float) -> dict[str, str]:
        """What the browser that was sent to `url` comes back with.

        Raises:
            InvalidInput: OIDC_NOT_FINISHED, if it does not.
        """
        self.state, end = _query(url).get("state", ""), time.monotonic() + seconds
        while not self.came and time.monotonic() < end:
            self.handle_request()
        if not self.came:
            raise InvalidInput("the browser did not come back in time: begin anew, or use --no-browser", "OIDC_NOT_FINISHED")
        return self.came


class _Once(BaseHTTPRequestHandler):
    server: Waiting
    timeout = _SILENCE_SECONDS

    def do_GET(self) -> None:
        """The one that is waited for; or another, such as for an icon."""
        found = returned_in(self.path)
        is_ours = bool(found.get("state")) and found["state"] == self.server.state
        self.server.came = found if is_ours else self.server.came
        self.send_response(200 if is_ours else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(_PAGE if is_ours else b"")

    def log_message(self, *_arguments: object) -> None:
        """Say nothing: the query holds a code."""


@contextmanager
def waiting() -> Iterator[Waiting]:
    """A listener that is closed afterwards."""
    with Waiting() as server:
        yield server


def returned_in(address: str) -> dict[str, str]:
    """What the provider sent along in the address at which the browser ended; empty if that is no such address."""
    found = _query(address)
    return {name: found[name] for name in _KNOWN if name in found} if "state" in found else {}


def _query(address: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(urlsplit(address.strip()).query))
    except ValueError:
        return {}
