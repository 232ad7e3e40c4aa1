"""The peer protocol over HTTP, from the asking side. See `docs/peer-protocol.md`."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import requests

from services.replication.adapters import peer_answers
from services.replication.adapters.http_content import HttpContent, check_range
from services.replication.adapters.http_link import MAX_JSON_BYTES, OK, PARTIAL, HttpLink, Target, expect, read, read_object
from services.replication.domain.catalogue import Holding
from services.replication.domain.peer import Peer
from services.replication.domain.records import Buckets, FeedPage, Records, Versions
from shared.core.digest import CHUNK_SIZE
from shared.core.errors import Forbidden, PeerLied
from shared.core.invitation import Invitation
from shared.core.slices import Slice
from shared.runtime.keys import MAX_ENVELOPE_BYTES, InstanceKey, decode_key

_FEED_PAGES = {1: 500}
"""Most items of a page by version of the protocol: in the first one each costs a question, and only whole pages count."""
_FEED_PAGE = 1000


class HttpPeers:
    """`PeerClient` on HTTP."""

    def __init__(self, key: InstanceKey, *, connect_seconds: float, read_seconds: float) -> None:
        """One session for the process; connections are kept."""
        self._link = HttpLink(key, connect_seconds=connect_seconds, read_seconds=read_seconds)

    def register(self, invitation: Invitation, request: dict[str, Any]) -> dict[str, Any]:
        """Send a registration; the answer is signed by a key that belongs to the expected id, or refused."""
        to, body = Target(invitation.url.rstrip("/"), invitation.instance_id), json.dumps(request).encode()
        with self._link.exchange("POST", to, "/ods/v1/registrations", body) as (sent, response):
            if response.status_code == requests.codes.forbidden:
                raise Forbidden(
                    "the invitation was refused there: it is used, expired, or was not made there; ask for a new one", "INVITATION_REFUSED"
                )
            expect(response, OK)
            content = read(response, MAX_JSON_BYTES)
            answer = read_object(content)
            try:
                key = decode_key(str(answer["public_key"]))
            except (KeyError, ValueError) as error:
                raise PeerLied("the answer to the registration has no usable key") from error
            if not invitation.instance_id.belongs_to(key):
                raise PeerLied("who answered at that address is not who invited")
            self._link.check_signature(sent, response, content, invitation.instance_id, key)
        return answer

    def announce(self, peer: Peer, epoch: str, seq: int) -> None:
        """Ring."""
        self._link.post(peer, "/ods/v1/announcements", {"epoch": epoch, "seq": seq})

    def changes(self, peer: Peer, epoch: str | None, since: int) -> FeedPage:
        """A page of the peer's change feed."""
        limit = _FEED_PAGES.get(peer.protocol, _FEED_PAGE)
        page = self._link.get(peer, f"/ods/v1/changes?epoch={quote(epoch or '')}&since={since}&limit={limit}")
        return peer_answers.feed_page(page, limit)

    def records(self, peer: Peer, packages: Sequence[str], charters: Sequence[str], rotations: Sequence[str]) -> Records:
        """Records by id."""
        asked = {"packages": list(packages), "charters": list(charters), "rotations": list(rotations)}
        return peer_answers.records(self._link.post(peer, "/ods/v1/records", asked))

    def holdings(self, peer: Peer, package_ids: Sequence[str]) -> dict[str, Holding]:
        """What the peer has of these."""
        return peer_answers.holdings(self._link.post(peer, "/ods/v1/holdings", {"packages": list(package_ids)}))

    def buckets(self, peer: Peer, tags: Collection[str]) -> Buckets:
        """The peer's bucket digests."""
        return peer_answers.buckets(self._link.get(peer, f"/ods/v1/buckets?tags={_listed(tags)}"))

    def bucket(self, peer: Peer, number: int, tags: Collection[str]) -> Versions:
        """The packages in one of the peer's buckets."""
        return peer_answers.bucket(self._link.get(peer, f"/ods/v1/buckets/{number}?tags={_listed(tags)}"))

    def rotate(self, peer: Peer, rotations: Sequence[bytes]) -> None:
        """Tell the peer our new key."""
        *earlier, last = (base64.b64encode(envelope).decode() for envelope in rotations)
        self._link.post(peer, "/ods/v1/rotations", {"rotation": last, "earlier": earlier})

    def witness(self, peer: Peer, checkpoint: bytes) -> bytes:
        """Have the peer sign what we say of our audit log."""
        asked = {"checkpoint": base64.b64encode(checkpoint).decode()}
        return peer_answers.receipt(self._link.post(peer, "/ods/v1/witnesses", asked))

    def witnessed(self, peer: Peer) -> Sequence[bytes]:
        """What the peer holds of what we said of it."""
        return peer_answers.checkpoints(self._link.get(peer, "/ods/v1/witnesses"))

    def status(self, peer: Peer) -> dict[str, Any]:
        """What the peer says of itself."""
        return self._link.get(peer, "/ods/v1/status")

    def manifest(self, peer: Peer, package_id: str) -> bytes:
        """The envelope; the manifest in it proves itself."""
        return self._link.get_proven(peer, f"{_path(package_id)}/manifest", MAX_ENVELOPE_BYTES)

    def chunk_digests(self, peer: Peer, package_id: str, size: int) -> bytes:
        """The chunk list; the manifest proves it."""
        packed = self._link.get_proven(peer, f"{_path(package_id)}/chunk-digests", size)
        if len(packed) != size:
            raise PeerLied(f"the chunk list has {len(packed)} bytes, not {size}")
        return packed

    @contextmanager
    def content(self, peer: Peer, package_id: str, part: Slice, first_chunk: int) -> Iterator[HttpContent]:
        """Bytes from `first_chunk` to the end of the slice, in one request."""
        start, stop = first_chunk * CHUNK_SIZE, part.stop
        headers = {"Range": f"bytes={start}-{stop - 1}"}
        with self._link.exchange("GET", Target.of(peer), f"{_path(package_id)}/content", headers=headers) as (_, response):
            expect(response, OK, PARTIAL)
            check_range(response, start, stop, part.size)
            yield HttpContent(response, first_chunk, start, stop, part.size)


def _path(package_id: str) -> str:
    return f"/ods/v1/packages/{quote(package_id, safe='')}"


def _listed(tags: Collection[str]) -> str:
    return quote(",".join(sorted(tags)), safe=",")
