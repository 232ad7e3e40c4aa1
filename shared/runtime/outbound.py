"""HTTP to addresses outside of the mesh: one conversation, one limit for all of it.

urllib3 is used below its managers: so there are no proxies, no cookies, no `.netrc`, and a redirect is an answer like any other.
Whoever calls resolves the name once and decides about the addresses; the connection goes to one of these. Host header, SNI and the
certificate check keep the name.
"""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import certifi
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import Url

T = TypeVar("T")
MOST_ANSWER_BYTES = 4 << 20
"""Of one answer, whoever reads it and whatever is in it."""
PORTS = {"http": 80, "https": 443}
_MAX_ADDRESSES_TRIED = 3


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


def port_of(url: Url) -> int:
    """The port that a URL names, or that of its scheme."""
    return url.port or PORTS[str(url.scheme)]


def reason_of(error: Exception) -> str:
    """What went wrong in a conversation, in short."""
    inner = error.args[-1] if error.args and isinstance(error.args[-1], Exception) else error
    return f"{type(inner).__name__}: {inner}"


@dataclass(frozen=True)
class Limits:
    """How long the other side may take."""

    connect_seconds: float = 5
    total_seconds: float = 15


@dataclass(frozen=True)
class Request:
    """What is asked for."""

    method: str
    url: Url
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True)
class Conversation:
    """One request to addresses that were decided about, and what is read of the answer to it."""

    addresses: Sequence[str]
    limits: Limits
    tls: ssl.SSLContext
    cut_off: CutOff

    def hold(self, request: Request, read: Callable[[Any], T]) -> T:
        """What `read` makes of the response, whose body is not read yet; it closes the response.

        Raises:
            HTTPError, OSError: if there is no answer; also, if `cut_off` has fired.
        """
        with contextlib.closing(self._pool(request.url)) as pool:
            response = pool.urlopen(
                request.method,
                request.url.request_uri,
                body=request.body,
                headers=request.headers,
                redirect=False,
                retries=False,
                timeout=Timeout(connect=self.limits.connect_seconds, read=self.limits.total_seconds),
                preload_content=False,
            )
            if self.cut_off.fired:
                # http.client takes the end of a connection for the end of the headers.
                raise TimeoutError
            return read(response)

    def _pool(self, url: Url) -> HTTPConnectionPool:
        host, route = str(url.host), Route(self.addresses, port_of(url), self.cut_off)
        if url.scheme == "https":
            return _PinnedHttpsPool(host, route.port, ssl_context=self.tls, route=route)
        return _PinnedHttpPool(host, route.port, route=route)


class CutOff:
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
class Route:
    """The addresses of one conversation, one at least; whoever makes it has decided about them."""

    addresses: Sequence[str]
    port: int
    cut_off: CutOff

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


class _Bounded(io.RawIOBase):
    """Reads an answer up to a bound, and lets others have a turn after each piece.

    Under eventlet, who reads what is always there already never waits, and so keeps everybody waiting, the timer that would cut it too.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw, self._left = raw, MOST_ANSWER_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        time.sleep(0)
        number = self._raw.readinto(buffer)
        self._left -= number or 0
        if self._left < 0:
            raise OSError(f"the answer has more than {MOST_ANSWER_BYTES} bytes")
        return number

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedResponse(HTTPResponse):
    """An answer of which interim answers, head and body together have a bound: `http.client` reads the first without end."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_Bounded(sock.makefile("rb", buffering=0)))


class _Pinned:
    """Makes a urllib3 connection go to checked addresses, keeping the name for all else."""

    timeout: Any

    def __init__(self, *args: Any, route: Route, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._route = route

    def _new_conn(self) -> socket.socket:
        return self._route.connect(self.timeout)


class _PinnedHttp(_Pinned, HTTPConnection):
    """HTTP to a checked address."""

    response_class = _BoundedResponse


class _PinnedHttps(_Pinned, HTTPSConnection):
    """HTTPS to a checked address; the certificate must be the name's."""

    response_class = _BoundedResponse


class _PinnedHttpPool(HTTPConnectionPool):
    ConnectionCls = _PinnedHttp


class _PinnedHttpsPool(HTTPSConnectionPool):
    ConnectionCls = _PinnedHttps
