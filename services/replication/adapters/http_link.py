"""Signed HTTP to peers: requests, answers, and what an answer with an error means. See `docs/peer-protocol.md`."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import eventlet
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from services.replication.domain.peer import Peer
from services.replication.domain.refusals import ClocksDiffer, PeerRefused, PeerRotated, SourceLacks
from services.replication.domain.sources import longest_seconds
from shared.core.errors import PeerLied, PeerUnreachable, Unauthenticated
from shared.core.identity import InstanceId
from shared.runtime import http_signatures
from shared.runtime.keys import InstanceKey
from shared.runtime.logging import CORRELATION_HEADER, correlation_id

MAX_JSON_BYTES = 1 << 20
LINK_ERRORS = (requests.RequestException, HTTPError, OSError)
OK, PARTIAL = 200, 206
MAX_ERROR_BYTES = 64 << 10
Patience = Callable[[int], AbstractContextManager[None]]
"""Within it, so many bytes must have come in the time that they may take. The limit of silence alone would let a peer that sends
one byte now and then keep us waiting for weeks."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a request is for, and where that is."""

    url: str
    peer_id: InstanceId

    @classmethod
    def of(cls, peer: Peer) -> Target:
        """A peer."""
        return cls(peer.url, peer.peer_id)


class HttpLink:
    """One session for the process: no redirects, no proxies of the environment, a limit on everything that is read."""

    def __init__(self, key: InstanceKey, *, connect_seconds: float, read_seconds: float, slow_bytes_per_second: int) -> None:
        """Connections are kept. What `key` holds is looked up at each request: it may be rotated."""
        self._key = key
        self._timeout = (connect_seconds, read_seconds)
        self._slow_bytes_per_second = slow_bytes_per_second
        self._session = requests.Session()
        self._session.trust_env = False
        adapter = HTTPAdapter(pool_connections=32, pool_maxsize=32, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def get(self, peer: Peer, target: str) -> dict[str, Any]:
        """A signed JSON answer."""
        return read_object(self._call("GET", peer, target))

    def post(self, peer: Peer, target: str, document: dict[str, Any]) -> dict[str, Any]:
        """A signed JSON answer to a JSON request."""
        return read_object(self._call("POST", peer, target, json.dumps(document).encode()))

    def get_proven(self, peer: Peer, target: str, limit: int) -> bytes:
        """At most `limit` bytes that prove themselves, so that the answer need not be signed."""
        return self._call("GET", peer, target, proves_itself=True, limit=limit)

    def _call(  # noqa: PLR0913 - the parts of a request
        self, method: str, peer: Peer, target: str, body: bytes = b"", *, proves_itself: bool = False, limit: int = MAX_JSON_BYTES
    ) -> bytes:
        with self.patience(limit), self.exchange(method, Target.of(peer), target, body) as (sent, response):
            expect(response, OK)
            content = read(response, limit)
            if not proves_itself:
                self.check_signature(sent, response, content, peer.peer_id, peer.public_key)
        return content

    @contextmanager
    def patience(self, size: int) -> Iterator[None]:
        """See `Patience`. It interrupts green threads only: the service has no others.

        Raises:
            PeerUnreachable: if the time is over.
        """
        with eventlet.Timeout(longest_seconds(size, self._slow_bytes_per_second)) as limit:
            try:
                yield
            except eventlet.Timeout as timeout:
                if timeout is not limit:
                    raise
                raise PeerUnreachable(f"the peer is slower than {self._slow_bytes_per_second} bytes a second") from timeout

    @contextmanager
    def exchange(
        self, method: str, to: Target, target: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Iterator[tuple[http_signatures.Request, requests.Response]]:
        """Send a signed request; the answer, of which nothing but the head was read.

        Raises:
            PeerUnreachable: if nobody answers.
        """
        url = f"{to.url}{target}"
        parts = urlsplit(url)
        signed_target = parts.path + (f"?{parts.query}" if parts.query else "")
        message = http_signatures.Request(method, signed_target, dict(headers or {}))
        http_signatures.sign_request(message, self._key, to.peer_id, body)
        message.headers |= {"Accept-Encoding": "identity", CORRELATION_HEADER: correlation_id()}
        if body:
            message.headers["Content-Type"] = "application/json"
        try:
            response = self._session.request(
                method, url, data=body or None, headers=message.headers, timeout=self._timeout, stream=True, allow_redirects=False
            )
        except LINK_ERRORS as error:
            raise PeerUnreachable(f"{to.url} cannot be reached: {why(error)}"[:400]) from error
        try:
            yield message, response
        finally:
            response.close()

    def check_signature(
        self, sent: http_signatures.Request, response: requests.Response, body: bytes, peer: InstanceId, key: bytes
    ) -> None:
        """Accept an answer only if the peer signed it for this very request.

        Raises:
            ClocksDiffer: if it did not, and its clock is another one.
            PeerLied: if it did not.
        """
        answer = http_signatures.Response(response.status_code, dict(response.headers), sent)
        try:
            http_signatures.verify_response(answer, body, peer, key)
        except Unauthenticated as error:
            seconds = _clock_of(response)
            if abs(seconds) > http_signatures.CLOCK_SKEW_SECONDS:
                raise ClocksDiffer(_apart(seconds), seconds) from error
            raise PeerLied(str(error)) from error


def read(response: requests.Response, limit: int, *, cut: bool = False) -> bytes:
    """The body of an answer.

    Raises:
        PeerLied: if it is longer than `limit` bytes, unless it is to be `cut`.
        PeerUnreachable: if the link breaks.
    """
    try:
        content: bytes = response.raw.read(limit + 1, decode_content=False)
    except LINK_ERRORS as error:
        raise PeerUnreachable(f"the link broke within an answer: {type(error).__name__}") from error
    if len(content) > limit and not cut:
        raise PeerLied(f"the answer is longer than {limit} bytes")
    return content[:limit]


def expect(response: requests.Response, *statuses: int) -> None:
    """Go on only with one of these statuses. Errors are not signed: nothing is believed of them but that it did not work.

    Raises:
        SourceLacks: for 403 and 404.
        PeerRotated: for 409 KEY_ROTATED; the rotation in it proves itself, or not.
        ClocksDiffer: for 401 CLOCK_SKEW.
        PeerRefused: for every other 401.
        PeerUnreachable: for every other status.
    """
    if response.status_code in statuses:
        return
    content = read(response, MAX_ERROR_BYTES, cut=True)
    problem = _problem(content)
    code = problem.get("code")
    said = f"{code}: {problem.get('detail')}" if problem else content[:100].decode("latin-1")
    if response.status_code in (requests.codes.not_found, requests.codes.forbidden):
        raise SourceLacks(f"the peer does not have, or does not give, what it was asked for: {said}"[:300])
    if response.status_code == requests.codes.conflict and code == PeerRotated.default_code:
        raise PeerRotated("the peer has a new key", _envelope(problem.get("rotation")))
    if response.status_code == requests.codes.unauthorized and code == ClocksDiffer.default_code:
        seconds = _clock_of(response)
        raise ClocksDiffer(_apart(seconds), seconds)
    if response.status_code == requests.codes.unauthorized:
        raise PeerRefused(f"the peer does not accept our signature: {said}"[:300])
    raise PeerUnreachable(f"the peer answered {response.status_code}: {said}"[:300])


def read_object(content: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        PeerLied: if it is none.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise PeerLied("the answer is no JSON") from error
    if not isinstance(document, dict):
        raise PeerLied("the answer is no JSON object")
    return document


def _problem(content: bytes) -> dict[str, Any]:
    try:
        return read_object(content)
    except PeerLied:
        return {}


def _envelope(text: object) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        return b""


def _clock_of(response: requests.Response) -> float:
    """How many seconds the peer's clock is ahead of ours, by the `Date` of its answer; 0 if it has none."""
    try:
        theirs = parsedate_to_datetime(response.headers.get("Date", ""))
    except ValueError:
        return 0.0
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=dt.UTC)
    return round((theirs - dt.datetime.now(dt.UTC)).total_seconds(), 1)


def _apart(seconds: float) -> str:
    side = "ahead of" if seconds > 0 else "behind"
    return f"the peer's clock is {abs(seconds):.0f} seconds {side} ours: set the wrong one of the two"


def why(error: Exception) -> str:
    """The cause in a few words, without the pool, the retries and the address that libraries tell beside it."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return str(reason or error).rpartition(": ")[2] or type(error).__name__
