"""One conversation with one server, by ldap3: the only file that knows how that library is used.

Four of its habits are not ours. Its `receive_timeout` begins anew with each piece of an answer: here one deadline holds for all
(`_TimedSocket`). It checks no certificate unless told to, and host names by code of its own: here OpenSSL does, with SNI
(`_StrictTls`). It lets passwords be prepared (SASLprep), which other clients do not: here they are sent as typed, in UTF-8. It opens
a connection anew that was closed, without StartTLS: here that is an error.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ldap3 import ANONYMOUS, AUTO_BIND_NONE, BASE, DEREF_NEVER, NONE, SIMPLE, SUBTREE, SYNC, Connection, Server, Tls

from services.directory.adapters.deadlines import Deadline, addresses
from services.directory.adapters.ldap_plan import Endpoint, LdapPlan
from services.directory.adapters.ldap_reasons import PASSWORD_POLICY, REFUSING_CODES, refusal_of

_PAGE = 500
_PAGED_RESULTS = "1.2.840.113556.1.4.319"
_ACTIVE_DIRECTORY = "1.2.840.113556.1.4.800"
_SUCCESS, _ENOUGH = 0, frozenset({0, 3, 4, 11})
"""Codes of a search that found all, and of one that found more than it may tell (limits of time and size)."""
NO_SUCH_OBJECT = 32


class ServerFault(Exception):
    """A server that did not do its part: in which step, and how. Holds no secret."""

    def __init__(self, step: str, cause: Exception | None = None, code: int | None = None, said: str = "") -> None:
        """`cause` is what was raised, `code` and `said` what the server answered."""
        super().__init__(step, cause, code, said)
        self.step, self.cause, self.code, self.said = step, cause, code, said

    def __str__(self) -> str:
        """What happened, in short."""
        if self.cause is not None:
            return f"{type(self.cause).__name__}: {self.cause}"[:300]
        return f"{self.said} (code {self.code})"[:300]


class RefusesUs(ServerFault):
    """The server does not accept the account with which we ask. So will the others: they are not tried, lest it be locked."""


@dataclass(frozen=True, slots=True)
class Found:
    """An entry: its name as the server spells it, and values by lower-case attribute."""

    dn: str
    values: Mapping[str, tuple[str, ...]]

    def first(self, attribute: str) -> str | None:
        """The value of an attribute, or one of several."""
        return next(iter(self.values.get(attribute.lower(), ())), None)


class _TimedSocket:
    """A socket on which no step lasts beyond the deadline."""

    def __init__(self, plain: socket.socket, deadline: Deadline) -> None:
        self.plain, self._deadline = plain, deadline

    def recv(self, size: int) -> bytes:
        self.plain.settimeout(self._deadline.remaining())
        return self.plain.recv(size)

    def sendall(self, data: bytes) -> None:
        self.plain.settimeout(self._deadline.remaining())
        self.plain.sendall(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)


class _StrictTls(Tls):  # type: ignore[misc]
    """ldap3's own, but for the wrapping itself. Remembers what went wrong, of which ldap3 keeps the text only."""

    def __init__(self, context: ssl.SSLContext, host: str, deadline: Deadline) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context, self._host, self.deadline = context, host, deadline
        self.fault: OSError | None = None

    def wrap_socket(self, connection: Any, do_handshake: bool = True) -> None:  # noqa: FBT001, FBT002, ARG002 - ldap3's signature
        """Begin TLS for the server's name, within the deadline."""
        plain = getattr(connection.socket, "plain", connection.socket)
        try:
            plain.settimeout(self.deadline.remaining())
            wrapped = self._context.wrap_socket(plain, server_hostname=self._host)
        except OSError as error:
            self.fault = error
            raise
        connection.socket = _TimedSocket(wrapped, self.deadline)


class Session:
    """An open connection; TLS is up if the plan wants it. Use `opened`."""

    def __init__(self, connection: Connection, address: str) -> None:
        """`address` is the one of the server's that answered."""
        self._connection = connection
        self.address = address

    def bind(self, dn: str, password: str) -> str | None:
        """Prove who we are; none, or the reason for which the server refuses.

        Raises:
            ServerFault: if it does neither.
        """
        with _faults("bind"):
            if self._connection.closed:  # ldap3 would open it anew, without StartTLS
                raise ServerFault("bind", said="the connection is closed")
            self._connection.user, self._connection.authentication = dn, SIMPLE
            self._connection.password = password.encode()  # bytes are sent as they are
            try:
                self._connection.bind(read_server_info=False, controls=[(PASSWORD_POLICY, False, None)])
            finally:
                self._connection.password = None
            result = self._connection.result
        if result["result"] != _SUCCESS and result["result"] not in REFUSING_CODES:
            raise ServerFault("bind", code=result["result"], said=_said(result))
        return refusal_of(result)

    def search(self, base: str, query: str, attributes: Sequence[str] = (), *, most: int = 2000) -> list[Found]:
        """Entries below `base`, read in pages: up to `most` of them, or one more to say that there are more.

        Raises:
            ServerFault: with NO_SUCH_OBJECT as its code if there is no such base.
        """
        found: list[Found] = []
        cookie: bytes | None = None
        with _faults("search"):
            while True:
                result = self._page(base, query, attributes, min(_PAGE, most + 1), cookie)
                found += _entries(self._connection.response)
                cookie = _cookie(result)
                if result["result"] not in _ENOUGH:
                    raise ServerFault("search", code=result["result"], said=_said(result))
                if not cookie or len(found) > most:
                    return found[: most + 1]

    def is_active_directory(self) -> bool:
        """What the server says of itself (rootDSE, RFC 4512, 5.1)."""
        with _faults("rootDSE"):
            self._connection.search("", "(objectClass=*)", BASE, attributes=["supportedCapabilities"])
            entries = _entries(self._connection.response)
        return any(_ACTIVE_DIRECTORY in entry.values.get("supportedcapabilities", ()) for entry in entries)

    def certificate(self) -> Mapping[str, Any]:
        """The server's certificate as Python shows it; empty without TLS."""
        plain = self._connection.socket.plain
        return (plain.getpeercert() or {}) if hasattr(plain, "getpeercert") else {}

    def _page(self, base: str, query: str, attributes: Sequence[str], size: int, cookie: bytes | None) -> Mapping[str, Any]:
        self._connection.search(
            base, query, SUBTREE, DEREF_NEVER, attributes=list(attributes) or None, paged_size=size, paged_cookie=cookie
        )
        result: Mapping[str, Any] = self._connection.result
        return result


_WAY = ("resolve", "connect", "tls")
"""Steps of opening a connection, in order."""


@contextmanager
def opened(server: Endpoint, plan: LdapPlan, context: ssl.SSLContext, deadline: Deadline) -> Iterator[Session]:
    """A session with the first address of a server that answers; bound as nobody yet.

    Raises:
        ServerFault: in the step `resolve`, `connect` or `tls`.
    """
    connection, address = _connect_any(server, context, deadline)
    try:
        if plan.starttls and not server.tls:
            _start_tls(connection)
        yield Session(connection, address)
    finally:
        connection.strategy.close()  # without the farewell of unbind: a frozen server could not hear it


def _connect_any(server: Endpoint, context: ssl.SSLContext, deadline: Deadline) -> tuple[Connection, str]:
    with _faults("resolve"):
        places = addresses(server.host, server.port, deadline.remaining())
    worst = ServerFault("resolve", OSError("the name has no address"))
    for number, place in enumerate(places):
        try:
            connection = _connect(server, place, context, deadline.share(len(places) - number))
        except ServerFault as fault:
            # An address that cannot be reached, such as ::1 where there is no IPv6, must not hide what is wrong at another one.
            worst = max(worst, fault, key=lambda one: _WAY.index(one.step))
        else:
            _extend(connection, deadline)
            return connection, place
    raise worst


def _extend(connection: Connection, deadline: Deadline) -> None:
    """A later deadline for what follows: the first one was for getting through to one address of several."""
    connection.server.tls.deadline = deadline
    connection.socket = _TimedSocket(getattr(connection.socket, "plain", connection.socket), deadline)


def _connect(server: Endpoint, place: str, context: ssl.SSLContext, deadline: Deadline) -> Connection:
    tls = _StrictTls(context, server.host, deadline)
    with _faults("connect", tls):
        there = Server(place, server.port, use_ssl=server.tls, tls=tls, get_info=NONE, connect_timeout=deadline.remaining())
        connection = Connection(
            there,
            authentication=ANONYMOUS,
            auto_bind=AUTO_BIND_NONE,
            client_strategy=SYNC,
            auto_referrals=False,
            auto_escape=False,
            check_names=False,
            read_only=True,
        )
        connection.open(read_server_info=False)
    return connection


def _start_tls(connection: Connection) -> None:
    with _faults("tls", connection.server.tls):
        if not connection.start_tls(read_server_info=False) or not connection.tls_started:
            raise ServerFault("tls", said="StartTLS did not start")


@contextmanager
def _faults(step: str, tls: _StrictTls | None = None) -> Iterator[None]:
    """Whatever goes wrong within, as a `ServerFault`: a library that reads a stranger's answers raises what it likes."""
    try:
        yield
    except ServerFault:
        raise
    except Exception as error:
        if tls is not None and tls.fault is not None:
            raise ServerFault("tls", tls.fault) from error
        raise ServerFault(step, error) from error


def _entries(response: Any) -> list[Found]:
    """The entries of an answer; referrals to other servers are left where they are."""
    return [Found(part["dn"], _texts(part["raw_attributes"])) for part in response or () if part["type"] == "searchResEntry"]


def _texts(raw: Mapping[str, Sequence[bytes]]) -> dict[str, tuple[str, ...]]:
    return {name.lower(): tuple(value.decode("utf-8", "replace") for value in values) for name, values in raw.items()}


def _cookie(result: Mapping[str, Any]) -> bytes | None:
    control = (result.get("controls") or {}).get(_PAGED_RESULTS)
    return control["value"]["cookie"] if control else None


def _said(result: Mapping[str, Any]) -> str:
    return ": ".join(part for part in (str(result.get("description", "")), str(result.get("message", ""))) if part)
