"""Claims about the asking side on the wire: what a peer answers is believed only as far as it has the right form and signature."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any

import pytest

from services.replication.adapters.http_peers import HttpPeers
from services.replication.domain.catalogue import Holding
from services.replication.domain.peer import Peer
from services.replication.domain.records import FeedItem, PackageRecords, Records
from services.replication.domain.refusals import ClocksDiffer, PeerRefused, PeerRotated, SourceLacks
from shared.core.errors import PeerLied, PeerUnreachable
from shared.core.slices import Slice
from shared.runtime import http_signatures
from shared.runtime.keys import InstanceKey
from shared.testing.builders import a_peer
from shared.testing.peer_server import Asked, PeerServer, Reply

US, THEM = InstanceKey.generate(), InstanceKey.generate()
PACKAGE_ID, DIGEST = "6f1c9a52-3b0e-4c59-9d0a-2f5f1f0f7a11", "0" * 64
ENVELOPE = base64.b64encode(b"{}").decode()
BUCKETS = {"epoch": "e", "tags": ["test"], "buckets": [DIGEST] * 256}
PAGE = {"epoch": "e", "items": [], "next": 1, "more": False, "protocol": 2}
ITEM = {"seq": 1, "kind": "package", "id": PACKAGE_ID, "rev": 1, "digest": DIGEST, "meta": DIGEST}

client = HttpPeers(US, connect_seconds=5, read_seconds=5)
Ask = Callable[[Peer], Any]


class Site:
    """A peer that answers what it is told to."""

    def __init__(self) -> None:
        """Listens at once."""
        self.asked: list[Asked] = []
        self.status, self.headers = 200, dict[str, str]()
        self.document: Any = {}
        self._server = PeerServer(self._answer)
        self.peer = a_peer("B", THEM, url=self._server.url, protocol=2)
        self.close = self._server.close

    def _answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        body = self.document if isinstance(self.document, bytes) else json.dumps(self.document).encode()
        answer = http_signatures.Response(self.status, {}, http_signatures.Request(asked.method, asked.target, asked.headers))
        http_signatures.sign_response(answer, THEM, body)
        return self.status, {**answer.headers, "Content-Length": str(len(body)), **self.headers}, [body]

    @property
    def last(self) -> tuple[str, str, Any]:
        """Method, target and body of the last question."""
        asked = self.asked[-1]
        return asked.method, asked.target, json.loads(asked.body or b"null")


@pytest.fixture
def site() -> Iterator[Site]:
    """A peer on the loopback."""
    made = Site()
    yield made
    made.close()


def test_a_page_of_the_second_version_is_read(site: Site) -> None:
    """Kinds that are not known are skipped; pages are larger."""
    charter = {"seq": 2, "kind": "charter", "id": "A" * 52, "rev": 0, "digest": DIGEST, "stamp": "1764000000000.0003"}
    site.document = {**PAGE, "items": [ITEM, charter, {"seq": 3, "kind": "horoscope"}, {"seq": 4, "kind": "gone", "id": PACKAGE_ID}]}

    page = client.changes(site.peer, "their.1", 7)

    assert site.last == ("GET", "/ods/v1/changes?epoch=their.1&since=7&limit=1000", None)
    assert (page.protocol, page.next, page.more) == (2, 1, False)
    assert page.items == (
        FeedItem("package", PACKAGE_ID, DIGEST, DIGEST),
        FeedItem("charter", "A" * 52, DIGEST, None, "1764000000000.0003"),
        FeedItem("gone", PACKAGE_ID),
    )


def test_records_are_asked_for_and_read_unopened(site: Site) -> None:
    """A package that is gone has no manifest."""
    site.document = {
        "packages": [{"id": PACKAGE_ID, "manifest": ENVELOPE, "meta": [ENVELOPE]}, {"id": PACKAGE_ID, "meta": []}],
        "charters": [ENVELOPE],
        "rotations": [],
    }

    records = client.records(site.peer, [PACKAGE_ID], ["*"], [])

    assert site.last == ("POST", "/ods/v1/records", {"packages": [PACKAGE_ID], "charters": ["*"], "rotations": []})
    packages = (PackageRecords(PACKAGE_ID, ENVELOPE, (ENVELOPE,)), PackageRecords(PACKAGE_ID, None, ()))
    assert records == Records(packages, (ENVELOPE,), ())


def test_holdings_are_read(site: Site) -> None:
    """With the share of what is on its way."""
    site.document = {"packages": {PACKAGE_ID: {"state": "wanted", "bytes_here": False, "percent": 40}}}

    assert client.holdings(site.peer, [PACKAGE_ID]) == {PACKAGE_ID: Holding("wanted", bytes_here=False, percent=40)}
    assert site.last == ("POST", "/ods/v1/holdings", {"packages": [PACKAGE_ID]})


@pytest.mark.parametrize(("said", "shown"), [({"view_tags": ["test", "*"]}, {"test", "*"}), ({}, set())])
def test_what_a_peer_lets_us_see_is_in_its_status(site: Site, said: Any, shown: set[str]) -> None:
    """One that does not say lets us see what everybody may."""
    site.document = {"name": "B"} | said

    assert client.view_tags(site.peer) == shown


def test_buckets_are_asked_for_by_our_tags(site: Site) -> None:
    """In the query, in order."""
    site.document = BUCKETS
    found = client.buckets(site.peer, {"test", "production"})
    assert site.last[:2] == ("GET", "/ods/v1/buckets?tags=production,test")
    assert (found.tags, len(found.digests)) == (("test",), 256)

    site.document = {"items": [{"id": PACKAGE_ID, "digest": DIGEST, "meta": DIGEST}]}
    assert client.bucket(site.peer, 111, ["*"]) == {PACKAGE_ID: (DIGEST, DIGEST)}
    assert site.last[:2] == ("GET", "/ods/v1/buckets/111?tags=%2A")


def test_rotations_are_told_oldest_first(site: Site) -> None:
    """The last one is the one that proves our present key."""
    client.rotate(site.peer, [b"first", b"last"])

    told = {"rotation": base64.b64encode(b"last").decode(), "earlier": [base64.b64encode(b"first").decode()]}
    assert site.last == ("POST", "/ods/v1/rotations", told)


def changes(peer: Peer) -> Any:
    """Ask for a page."""
    return client.changes(peer, None, 0)


def records(peer: Peer) -> Any:
    """Ask for records."""
    return client.records(peer, [PACKAGE_ID], [], [])


def holdings(peer: Peer) -> Any:
    """Ask for holdings."""
    return client.holdings(peer, [PACKAGE_ID])


def buckets(peer: Peer) -> Any:
    """Ask for buckets."""
    return client.buckets(peer, [])


def bucket(peer: Peer) -> Any:
    """Ask for one bucket."""
    return client.bucket(peer, 0, [])


@pytest.mark.parametrize(
    ("ask", "document"),
    [
        (changes, []),
        (changes, {}),
        (changes, {**PAGE, "next": -1}),
        (changes, {**PAGE, "next": True}),
        (changes, {**PAGE, "next": 1 << 61}),
        (changes, {**PAGE, "more": 1}),
        (changes, {**PAGE, "epoch": 7}),
        (changes, {**PAGE, "items": {}, "protocol": "2"}),
        (changes, {**PAGE, "items": [ITEM] * 1001}),
        (changes, {**PAGE, "items": [{**ITEM, "id": "../../etc"}]}),
        (changes, {**PAGE, "items": [{**ITEM, "id": PACKAGE_ID.upper()}]}),
        (changes, {**PAGE, "items": [{**ITEM, "digest": "0"}]}),
        (changes, {**PAGE, "items": [{**ITEM, "meta": 0}]}),
        (changes, {**PAGE, "items": [{"kind": "charter", "id": PACKAGE_ID, "digest": DIGEST, "stamp": "now"}]}),
        (changes, {**PAGE, "items": [{"kind": ["package"]}]}),
        (changes, {**PAGE, "items": [7]}),
        (records, {"packages": {}, "charters": 7}),
        (records, {"packages": [{"id": PACKAGE_ID, "manifest": 7}]}),
        (records, {"packages": [{"id": PACKAGE_ID, "manifest": "no base64!"}]}),
        (records, {"packages": [{"meta": []}]}),
        (records, {"charters": [None]}),
        (client.view_tags, {"view_tags": "*"}),
        (client.view_tags, {"view_tags": [1]}),
        (holdings, {"packages": []}),
        (holdings, {"packages": {PACKAGE_ID: {"state": "wanted", "bytes_here": False, "percent": 101}}}),
        (holdings, {"packages": {PACKAGE_ID: {"state": "<b>", "bytes_here": False}}}),
        (holdings, {"packages": {"x": {"state": "wanted", "bytes_here": False}}}),
        (buckets, {**BUCKETS, "buckets": [DIGEST] * 255}),
        (buckets, {**BUCKETS, "buckets": [7] * 256}),
        (buckets, {**BUCKETS, "tags": ["Bad Tag"]}),
        (buckets, {**BUCKETS, "tags": "test"}),
        (bucket, {"items": [{"id": PACKAGE_ID, "digest": DIGEST}]}),
        (bucket, {"items": 7}),
    ],
)
def test_a_malformed_answer_is_a_lie(site: Site, ask: Ask, document: Any) -> None:
    """Whatever is wrong with it, and though it is signed."""
    site.document = document

    with pytest.raises(PeerLied):
        ask(site.peer)


@pytest.mark.parametrize("ask", [changes, records, holdings, buckets, bucket])
def test_an_answer_that_is_too_long_is_not_read_to_its_end(site: Site, ask: Ask) -> None:
    """One MiB is the most."""
    site.document = b'{"items": [' + b" " * (1 << 20) + b"]}"

    with pytest.raises(PeerLied, match="longer"):
        ask(site.peer)


def test_an_answer_of_another_signer_is_refused(site: Site) -> None:
    """However well formed."""
    site.document = PAGE

    with pytest.raises(PeerLied, match="signed"):
        changes(a_peer("B", url=site.peer.url))


@pytest.mark.parametrize(
    ("status", "document", "error"),
    [
        (403, {"code": "NOT_ENTITLED"}, SourceLacks),
        (404, {"code": "NOT_FOUND"}, SourceLacks),
        (401, {"code": "UNAUTHENTICATED"}, PeerRefused),
        (409, {"code": "CONFLICT"}, PeerUnreachable),
        (302, b"", PeerUnreachable),
        (503, b"<html>", PeerUnreachable),
        (500, b"[1]", PeerUnreachable),
    ],
)
def test_an_error_means_one_thing(site: Site, status: int, document: Any, error: type[Exception]) -> None:
    """By its status; errors are not signed."""
    site.status, site.document = status, document

    with pytest.raises(error) as caught:
        changes(site.peer)
    with pytest.raises(error), client.content(site.peer, PACKAGE_ID, Slice(0, 0, 1, 10), 0):
        pass

    assert type(caught.value) is error


@pytest.mark.parametrize(("rotation", "envelope"), [(base64.b64encode(b"proof").decode(), b"proof"), ("?", b""), (None, b"")])
def test_a_new_key_is_told_with_its_proof(site: Site, rotation: Any, envelope: bytes) -> None:
    """Which is not opened here."""
    site.status, site.document = 409, {"code": "KEY_ROTATED", "rotation": rotation}

    with pytest.raises(PeerRotated) as caught:
        changes(site.peer)

    assert caught.value.rotation == envelope


@pytest.mark.parametrize(("date", "seconds"), [(formatdate(10**9, usegmt=True), -1), (formatdate(10**10, usegmt=True), 1), ("never", 0)])
def test_a_clock_that_differs_is_measured_by_its_date(site: Site, date: str, seconds: int) -> None:
    """Positive if the peer's is ahead."""
    site.status, site.document, site.headers = 401, {"code": "CLOCK_SKEW"}, {"Date": date}

    with pytest.raises(ClocksDiffer) as caught:
        changes(site.peer)

    assert (caught.value.seconds > 10**8) - (caught.value.seconds < -(10**8)) == seconds
