"""The peer protocol over HTTP, from the asking side. See `docs/peer-protocol.md`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from services.replication.domain.peer import Peer
from services.replication.ports import FeedItems
from shared.core.digest import CHUNK_SIZE, chunk_length
from shared.core.errors import Forbidden, PeerLied, PeerUnreachable, Unauthenticated
from shared.core.identity import InstanceId
from shared.core.invitation import Invitation
from shared.core.slices import Slice
from shared.runtime import http_signatures
from shared.runtime.keys import MAX_ENVELOPE_BYTES, InstanceKey, decode_key
from shared.runtime.logging import CORRELATION_HEADER, correlation_id

MAX_JSON_BYTES = 1 << 20
FEED_PAGE = 500
_LINK_ERRORS = (requests.RequestException, HTTPError, OSError)
_OK, _PARTIAL = 200, 206


class HttpPeers:
    """`PeerClient` on requests: no redirects, no proxies of the environment, a limit on everything that is read."""

    def __init__(self, key: InstanceKey, *, connect_seconds: float, read_seconds: float) -> None:
        """One session for the process; connections are kept."""
        self._key = key
        self._timeout = (connect_seconds, read_seconds)
        self._session = requests.Session()
        self._session.trust_env = False
        adapter = HTTPAdapter(pool_connections=32, pool_maxsize=32, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def register(self, invitation: Invitation, request: dict[str, Any]) -> dict[str, Any]:
        """Send a registration; the answer is signed by a key that belongs to the expected id, or refused."""
        body = json.dumps(request).encode()
        with self._exchange("POST", invitation.url.rstrip("/"), invitation.instance_id, "/ods/v1/registrations", body) as (sent, response):
            content = _read(response, MAX_JSON_BYTES)
            if response.status_code == requests.codes.forbidden:
                raise Forbidden(
                    "the invitation was refused there: it is used, expired, or was not made there; ask for a new one", "INVITATION_REFUSED"
                )
            _expect(response, _OK, content)
            answer = _json(content)
            try:
                key = decode_key(str(answer["public_key"]))
            except (KeyError, ValueError) as error:
                raise PeerLied("the answer to the registration has no usable key") from error
            if not invitation.instance_id.belongs_to(key):
                raise PeerLied("who answered at that address is not who invited")
            self._check_signature(sent, response, content, invitation.instance_id, key)
        return answer

    def announce(self, peer: Peer, epoch: str, seq: int) -> None:
        """Ring."""
        self._call("POST", peer, "/ods/v1/announcements", json.dumps({"epoch": epoch, "seq": seq}).encode())

    def changes(self, peer: Peer, epoch: str | None, since: int) -> FeedItems:
        """A page of the peer's change feed."""
        page = _json(self._call("GET", peer, f"/ods/v1/changes?epoch={quote(epoch or '')}&since={since}&limit={FEED_PAGE}"))
        try:
            ids = tuple(str(item["id"]) for item in page["items"] if item["kind"] == "package")
            return FeedItems(str(page["epoch"])[:64], ids[:FEED_PAGE], int(page["next"]), bool(page["more"]))
        except (KeyError, TypeError, ValueError) as error:
            raise PeerLied(f"the change feed is malformed: {error}") from error

    def manifest(self, peer: Peer, package_id: str) -> bytes:
        """The envelope; the manifest in it proves itself."""
        return self._call(
            "GET", peer, f"/ods/v1/packages/{quote(package_id, safe='')}/manifest", proves_itself=True, limit=MAX_ENVELOPE_BYTES
        )

    def chunk_digests(self, peer: Peer, package_id: str, size: int) -> bytes:
        """The chunk list; the manifest proves it."""
        path = f"/ods/v1/packages/{quote(package_id, safe='')}/chunk-digests"
        packed = self._call("GET", peer, path, proves_itself=True, limit=size)
        if len(packed) != size:
            raise PeerLied(f"the chunk list has {len(packed)} bytes, not {size}")
        return packed

    @contextmanager
    def content(self, peer: Peer, package_id: str, part: Slice, first_chunk: int) -> Iterator[HttpContent]:
        """Bytes from `first_chunk` to the end of the slice, in one request."""
        start, stop = first_chunk * CHUNK_SIZE, part.stop
        path = f"/ods/v1/packages/{quote(package_id, safe='')}/content"
        headers = {"Range": f"bytes={start}-{stop - 1}"}
        with self._exchange("GET", peer.url, peer.peer_id, path, b"", headers) as (_, response):
            if response.status_code not in (_OK, _PARTIAL):
                _expect(response, _PARTIAL, _read(response, MAX_JSON_BYTES, cut=True))
            _check_range(response, start, stop, part.size)
            yield HttpContent(response, first_chunk, start, stop, part.size)

    def _call(  # noqa: PLR0913 - the parts of a request
        self, method: str, peer: Peer, target: str, body: bytes = b"", *, proves_itself: bool = False, limit: int = MAX_JSON_BYTES
    ) -> bytes:
        with self._exchange(method, peer.url, peer.peer_id, target, body) as (sent, response):
            content = _read(response, limit)
            _expect(response, _OK, content)
            if not proves_itself:
                self._check_signature(sent, response, content, peer.peer_id, peer.public_key)
        return content

    @contextmanager
    def _exchange(  # noqa: PLR0913, PLR0917 - as above
        self, method: str, base_url: str, recipient: InstanceId, target: str, body: bytes, headers: dict[str, str] | None = None
    ) -> Iterator[tuple[http_signatures.Request, requests.Response]]:
        url = f"{base_url}{target}"
        parts = urlsplit(url)
        signed_target = parts.path + (f"?{parts.query}" if parts.query else "")
        message = http_signatures.Request(method, signed_target, dict(headers or {}))
        http_signatures.sign_request(message, self._key, recipient, body)
        message.headers |= {"Accept-Encoding": "identity", CORRELATION_HEADER: correlation_id()}
        if body:
            message.headers["Content-Type"] = "application/json"
        try:
            response = self._session.request(
                method, url, data=body or None, headers=message.headers, timeout=self._timeout, stream=True, allow_redirects=False
            )
        except _LINK_ERRORS as error:
            raise PeerUnreachable(f"{base_url} cannot be reached: {type(error).__name__}: {error}"[:400]) from error
        try:
            yield message, response
        finally:
            response.close()

    def _check_signature(
        self, sent: http_signatures.Request, response: requests.Response, body: bytes, peer: InstanceId, key: bytes
    ) -> None:
        answer = http_signatures.Response(response.status_code, dict(response.headers), sent)
        try:
            http_signatures.verify_response(answer, body, peer, key)
        except Unauthenticated as error:
            raise PeerLied(str(error)) from error


class HttpContent:
    """`Content` of a response: two buffers in turn, so that one is worked on while the other is filled."""

    def __init__(self, response: requests.Response, first_chunk: int, start: int, stop: int, size: int) -> None:
        """Reads bytes `start` to `stop` of a package of `size` bytes."""
        self._response = response
        self._first, self._start, self._stop, self._size = first_chunk, start, stop, size

    def chunks(self) -> Iterator[tuple[int, memoryview]]:
        """Chunk index and bytes; never reads more than one byte beyond what was asked for."""
        length = self._stop - self._start
        buffers = [memoryview(bytearray(min(CHUNK_SIZE, length))) for _ in range(2)]
        index, left = self._first, length
        while left:
            chunk = buffers[index % 2][: chunk_length(index, self._size)]
            self._fill(chunk)
            left -= len(chunk)
            if not left:
                self._response.raw.release_conn()
            yield index, chunk
            index += 1

    def _fill(self, chunk: memoryview) -> None:
        # urllib3's own readinto allocates and copies each block; the response beneath reads into our buffer at once.
        body: Any = self._response.raw._original_response  # noqa: SLF001 - kept by urllib3 for this purpose
        filled = 0
        while filled < len(chunk):
            try:
                count = body.readinto(chunk[filled:])
            except (*_LINK_ERRORS, HTTPException) as error:
                raise PeerUnreachable(f"the link broke within a slice: {type(error).__name__}") from error
            if not count:
                raise PeerUnreachable("the peer ended the answer early")
            filled += count


def _check_range(response: requests.Response, start: int, stop: int, size: int) -> None:
    """Refuse an answer of which the head already shows that it is not what was asked for; read nothing of its body.

    Raises:
        PeerLied: if status, range, length or encoding are not as asked.
    """
    headers = response.headers
    whole = (start, stop) == (0, size)
    if response.status_code == _PARTIAL:
        if headers.get("Content-Range") != f"bytes {start}-{stop - 1}/{size}":
            raise PeerLied(f"asked for bytes {start}-{stop - 1}/{size}, got {headers.get('Content-Range', 'no Content-Range')[:80]!r}")
    elif not whole:
        raise PeerLied("the peer ignored the range")
    if headers.get("Content-Encoding", "identity") != "identity" or "Transfer-Encoding" in headers:
        raise PeerLied("the peer sent an encoded body")
    if headers.get("Content-Length") != str(stop - start):
        raise PeerLied(f"the peer announced {headers.get('Content-Length', 'no')[:20]} bytes for {stop - start}")


def _read(response: requests.Response, limit: int, *, cut: bool = False) -> bytes:
    try:
        content: bytes = response.raw.read(limit + 1, decode_content=False)
    except _LINK_ERRORS as error:
        raise PeerUnreachable(f"the link broke within an answer: {type(error).__name__}") from error
    if len(content) > limit and not cut:
        raise PeerLied(f"the answer is longer than {limit} bytes")
    return content[:limit]


def _expect(response: requests.Response, status: int, content: bytes) -> None:
    if response.status_code == status:
        return
    try:
        problem = json.loads(content)
        said = f"{problem.get('code')}: {problem.get('detail')}"
    except (ValueError, AttributeError):
        said = content[:100].decode("latin-1")
    if response.status_code == requests.codes.not_found:
        raise PeerLied(f"the peer does not have what it said it has: {said}"[:300])
    raise PeerUnreachable(f"the peer answered {response.status_code}: {said}"[:300])


def _json(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise PeerLied("the answer is no JSON") from error
    if not isinstance(document, dict):
        raise PeerLied("the answer is no JSON object")
    return document
