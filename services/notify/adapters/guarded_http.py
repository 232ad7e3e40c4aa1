"""Posting to addresses that others chose, without being led inside.

The name is resolved once, every address is checked, and the connection goes to a checked address: a second, different answer of
the DNS cannot matter, because it is never asked for. Host header, SNI and the certificate check keep the name. urllib3 is used
below its managers, so there are no proxies, no cookies, no `.netrc`, and a redirect is an answer like any other.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import certifi
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import Url, parse_url

from services.notify.domain.deliveries import Answer
from services.notify.domain.targets import Network, check_address
from shared.core.errors import InvalidInput
from shared.runtime.logging import get_logger

log = get_logger(__name__)
Resolve = Callable[[str, int], Sequence[str]]
"""All addresses of a host name, as text; raises OSError if there are none."""
MAX_ANSWER_BYTES = 4096
_MAX_ADDRESSES_TRIED = 3
_PORTS = {"http": 80, "https": 443}


def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """All addresses by the system's resolver, which also reads odd spellings such as 0x7f.1 as it would when connecting."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def trusted_authorities(extra: Path | None = None) -> ssl.SSLContext:
    """The system's certificate authorities, certifi's, and those in the PEM file `extra`."""
    context = ssl.create_default_context()
    for file in (certifi.where(), extra):
        if file:
            context.load_verify_locations(file)
    return context


@dataclass(frozen=True)
class Guard:
    """Decides where connections may go."""

    allowed: Sequence[Network] = ()
    resolve: Resolve = resolve_by_system

    def addresses(self, url: Url) -> list[str]:
        """Resolve the URL's host, once, and check every address.

        Raises:
            InvalidInput: WEBHOOK_TARGET_UNKNOWN, if it does not resolve; WEBHOOK_TARGET_FORBIDDEN, if any of its addresses
                is refused, whatever the others are.
        """
        host, port = (url.host or "").strip("[]"), _port(url)
        try:
            found = list(self.resolve(host, port))
        except (OSError, UnicodeError) as error:
            raise InvalidInput(f"the name {host[:80]!r} does not resolve: {error}", "WEBHOOK_TARGET_UNKNOWN") from error
        for address in found:
            check_address(address, self.allowed)
        if not found:
            raise InvalidInput(f"the name {host[:80]!r} has no address", "WEBHOOK_TARGET_UNKNOWN")
        return found


@dataclass(frozen=True)
class Limits:
    """How long a receiver may take."""

    connect_seconds: float = 5
    total_seconds: float = 15


@dataclass(frozen=True)
class GuardedHttp:
    """`Web` by urllib3."""

    guard: Guard
    limits: Limits
    tls: ssl.SSLContext

    def check(self, url: str) -> None:
        """Look where a URL leads now.

        Raises:
            InvalidInput: WEBHOOK_TARGET_FORBIDDEN, or WEBHOOK_TARGET_UNKNOWN.
        """
        self.guard.addresses(_parsed(url))

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post on a fresh connection. Whatever goes wrong is an answer, not an error."""
        with _CutOff(self.limits.total_seconds) as cut_off:
            try:
                parsed = _parsed(url)
                route = _Route(self.guard.addresses(parsed), _port(parsed), cut_off)
                answer = self._exchange(parsed, route, body, headers)
            except InvalidInput as error:
                answer = Answer(error=f"{error.code}: {error}")
            except (HTTPError, OSError) as error:
                answer = Answer(error=f"no whole answer within {self.limits.total_seconds:g} s" if cut_off.fired else _reason(error))
        # The path of a webhook is often a secret: only the host is logged.
        log.info("webhook_posted", host=_host(url), message=headers.get("webhook-id"), status=answer.status, error=answer.error)
        return answer

    def _exchange(self, url: Url, route: _Route, body: bytes, headers: Mapping[str, str]) -> Answer:
        with contextlib.closing(self._pool(url, route)) as pool:
            response = pool.urlopen(
                "POST",
                url.request_uri,
                body=body,
                headers={"user-agent": "odst-webhook", **headers},
                redirect=False,
                retries=False,
                timeout=Timeout(connect=self.limits.connect_seconds, read=self.limits.total_seconds),
                preload_content=False,
            )
            if route.cut_off.fired:
                # http.client takes the end of a connection for the end of the headers.
                raise TimeoutError
            _read_a_little(response)
        return Answer(response.status, response.headers.get("retry-after"))

    def _pool(self, url: Url, route: _Route) -> HTTPConnectionPool:
        host = str(url.host)
        if url.scheme == "https":
            return _PinnedHttpsPool(host, _port(url), ssl_context=self.tls, route=route)
        return _PinnedHttpPool(host, _port(url), route=route)


def _parsed(url: str) -> Url:
    try:
        parsed = parse_url(url)
    except HTTPError as error:
        raise InvalidInput("the URL cannot be read", "WEBHOOK_URL_INVALID") from error
    if parsed.scheme not in _PORTS or not parsed.host:
        raise InvalidInput("the URL is no http or https address", "WEBHOOK_URL_INVALID")
    return parsed


def _host(url: str) -> str | None:
    """The host of a URL, for logs."""
    with contextlib.suppress(HTTPError):
        return parse_url(url).host
    return None


def _port(url: Url) -> int:
    return url.port or _PORTS[str(url.scheme)]


def _read_a_little(response: Any) -> None:
    # So that a short answer is not cut off with a reset; the status is known, so nothing here can change the outcome.
    with contextlib.closing(response), contextlib.suppress(HTTPError, OSError):
        response.read(MAX_ANSWER_BYTES, decode_content=False)


def _reason(error: Exception) -> str:
    inner = error.args[-1] if error.args and isinstance(error.args[-1], Exception) else error
    return f"{type(inner).__name__}: {inner}"


class _CutOff:
    """Ends a conversation after some seconds, whatever it is doing.

    A receiver that drips a byte a second never runs into a read timeout. A duplicate of the socket is shut down, which ends the
    connection under every layer that wraps it, TLS in mid-handshake included.
    """

    def __init__(self, seconds: float) -> None:
        self.fired = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._timer.cancel()
        if self._socket:
            self._socket.close()

    def watch(self, connection: socket.socket) -> None:
        """Cut this connection when the time is up."""
        self._socket = connection.dup()
        if self.fired:
            self._cut()

    def _cut(self) -> None:
        self.fired = True
        if self._socket:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class _Route:
    """The checked addresses of one conversation."""

    addresses: Sequence[str]
    port: int
    cut_off: _CutOff

    def connect(self, timeout_seconds: float) -> socket.socket:
        """A connection to the first address that takes one; they share the time.

        Raises:
            OSError: of the last address that was tried.
        """
        tried = self.addresses[:_MAX_ADDRESSES_TRIED]
        for address in tried[:-1]:
            with contextlib.suppress(OSError):
                return self._connect_to(address, timeout_seconds / len(tried))
        return self._connect_to(tried[-1], timeout_seconds / len(tried))

    def _connect_to(self, address: str, timeout_seconds: float) -> socket.socket:
        connection = socket.create_connection((address, self.port), timeout_seconds)
        self.cut_off.watch(connection)
        return connection


class _Pinned:
    """Makes a urllib3 connection go to checked addresses, keeping the name for all else."""

    timeout: Any

    def __init__(self, *args: Any, route: _Route, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._route = route

    def _new_conn(self) -> socket.socket:
        return self._route.connect(self.timeout)


class _PinnedHttp(_Pinned, HTTPConnection):
    """HTTP to a checked address."""


class _PinnedHttps(_Pinned, HTTPSConnection):
    """HTTPS to a checked address; the certificate must be the name's."""


class _PinnedHttpPool(HTTPConnectionPool):
    ConnectionCls = _PinnedHttp


class _PinnedHttpsPool(HTTPSConnectionPool):
    ConnectionCls = _PinnedHttps
