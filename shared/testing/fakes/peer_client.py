"""The other side of the peer protocol in memory: peers that are honest, away, or lie."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from services.replication.domain.catalogue import Holding
from services.replication.domain.peer import Peer
from services.replication.domain.records import (
    ALL,
    CHARTER,
    GONE,
    PACKAGE,
    ROTATION,
    Buckets,
    FeedItem,
    FeedPage,
    Key,
    PackageRecords,
    Records,
)
from services.replication.domain.refusals import PeerRefused, SourceLacks
from shared.core.digest import CHUNK_SIZE
from shared.core.errors import PeerUnreachable
from shared.core.invitation import Invitation
from shared.core.slices import Slice
from shared.core.staging import Tags
from shared.testing.builders import Signed
from shared.testing.fakes.storage_service import bucket_digests, version_of


@dataclass
class FakeSite:
    """What one peer has and how it behaves. In the second version its feed is what it `shows`."""

    packages: dict[str, Signed] = field(default_factory=dict)
    envelopes: dict[str, bytes] = field(default_factory=dict)
    epoch: str = "their-epoch"
    page_size: int = 2
    protocol: int = 1
    away: bool = False
    answers: Exception | None = None
    """What every question but a rotation is answered with, if it is not None."""
    bad_chunks: set[int] = field(default_factory=set)
    breaks_after: int | None = None
    """Chunks of an answer after which the link breaks."""
    lacks: set[str] = field(default_factory=set)
    """Packages whose bytes it does not give, though it says that it has them."""
    rung: list[tuple[str, int]] = field(default_factory=list)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    feed: dict[str, tuple[int, FeedItem]] = field(default_factory=dict)
    """By record; each change takes a new number."""
    gives: dict[Key, PackageRecords | str] = field(default_factory=dict)
    most_given: int = 1000
    """Records in one answer; the rest is left out."""
    held: dict[str, Holding] = field(default_factory=dict)
    seen_tags: tuple[str, ...] = ()
    """What it lets us see."""
    told: list[bytes] = field(default_factory=list)
    """Rotations that it was told."""
    knows_us: bool = True
    receipts: Callable[[bytes], bytes] | None = None
    """Signs what it is told of our audit log; none for a site that does not witness."""
    witnessed: list[bytes] = field(default_factory=list)
    """What it was told of it."""
    in_feed: bool = True
    """False: what is shown stands in its buckets, and was forgotten in its feed."""
    _number: int = 0

    def has(self, *packages: Signed) -> None:
        """It has these packages, in the order of its feed."""
        self.packages |= {package.package_id: package for package in packages}

    def shows(self, package: Signed, *meta: bytes, kind: str = PACKAGE) -> None:
        """The second version of the protocol: it has this package, with these meta records, or knows it."""
        self.protocol, given = 2, [base64.b64encode(envelope).decode() for envelope in (package.envelope, *meta)]
        version = version_of(given[0], given[1:])
        self.gives[PACKAGE, package.package_id] = PackageRecords(package.package_id, given[0], tuple(given[1:]))
        self.packages[package.package_id] = package
        self._put(FeedItem(kind, package.package_id, *version))

    def takes_away(self, package: Signed, *meta: bytes) -> None:
        """We may no longer see this package; the meta records say why."""
        given = tuple(base64.b64encode(envelope).decode() for envelope in meta)
        self.gives[PACKAGE, package.package_id] = PackageRecords(package.package_id, None, given)
        self._put(FeedItem(GONE, package.package_id))

    def shows_record(self, kind: str, record_id: str, envelope: bytes) -> None:
        """It has this charter, or this rotation."""
        self.protocol, self.gives[kind, record_id] = 2, base64.b64encode(envelope).decode()
        self._put(FeedItem(kind, record_id, hashlib.sha256(envelope).hexdigest(), None, "1764000000000.0000"))

    def _put(self, item: FeedItem) -> None:
        if self.in_feed:
            self._number += 1
            self.feed[item.id] = (self._number, item)

    def page(self, since: int) -> FeedPage:
        """A page in the second version."""
        rows = sorted(((number, item) for number, item in self.feed.values() if number > since), key=lambda row: row[0])
        chosen = rows[: self.page_size]
        following = chosen[-1][0] if chosen else min(since, self._number)
        return FeedPage(self.epoch, tuple(item for _, item in chosen), following, len(rows) > self.page_size, 2)

    def versions(self) -> dict[str, tuple[str, str]]:
        """What its buckets are about."""
        packages = [one for one in self.gives.values() if isinstance(one, PackageRecords) and one.manifest]
        return {one.id: version_of(one.manifest or "", one.meta) for one in packages}


@dataclass
class FakePeerClient:
    """`PeerClient` on sites in memory. `registrar` answers registrations."""

    sites: dict[str, FakeSite] = field(default_factory=dict)
    registrar: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    on_chunk: Callable[[int], None] = lambda _index: None
    """Called before each chunk is given, so that a test can let something happen in the middle."""

    def site(self, peer: Peer) -> FakeSite:
        """The site of a peer, made when it is first asked for."""
        return self.sites.setdefault(str(peer.peer_id), FakeSite())

    def _reach(self, peer: Peer, what: str, detail: Any) -> FakeSite:
        site = self.site(peer)
        site.asked.append((what, detail))
        if site.away:
            raise PeerUnreachable(f"{peer.name} is away")
        if site.answers is not None and what != "rotate":
            raise site.answers
        return site

    def register(self, invitation: Invitation, request: dict[str, Any]) -> dict[str, Any]:
        """Ask whoever stands behind `registrar`."""
        if self.registrar is None:
            raise PeerUnreachable(f"nobody answers at {invitation.url}")
        return self.registrar(request)

    def announce(self, peer: Peer, epoch: str, seq: int) -> None:
        """Ring."""
        self._reach(peer, "announce", seq).rung.append((epoch, seq))

    def changes(self, peer: Peer, epoch: str | None, since: int) -> FeedPage:
        """A page of the feed; in the first version the position of a package is its number."""
        site = self._reach(peer, "changes", since)
        start = since if epoch == site.epoch else 0
        if site.protocol > 1:
            return site.page(start)
        ids = list(site.packages)
        items = tuple(FeedItem(PACKAGE, package_id) for package_id in ids[start : start + site.page_size])
        return FeedPage(site.epoch, items, start + len(items), start + len(items) < len(ids))

    def records(self, peer: Peer, packages: Sequence[str], charters: Sequence[str], rotations: Sequence[str]) -> Records:
        """What the site gives of these."""
        site = self._reach(peer, "records", (tuple(packages), tuple(charters), tuple(rotations)))
        named = [(PACKAGE, one) for one in packages]
        for kind, ids in ((CHARTER, charters), (ROTATION, rotations)):
            named += [key for key in site.gives if key[0] == kind] if tuple(ids) == ALL else [(kind, one) for one in ids]
        given = [site.gives[key] for key in named if key in site.gives][: site.most_given]
        envelopes = {site.gives[key]: key[0] for key in named if isinstance(site.gives.get(key), str)}
        return Records(
            tuple(one for one in given if isinstance(one, PackageRecords)),
            tuple(one for one in given if isinstance(one, str) and envelopes[one] == CHARTER),
            tuple(one for one in given if isinstance(one, str) and envelopes[one] == ROTATION),
        )

    def holdings(self, peer: Peer, package_ids: Sequence[str]) -> dict[str, Holding]:
        """What the site says that it holds."""
        held = self._reach(peer, "holdings", tuple(package_ids)).held
        return {one: held[one] for one in package_ids if one in held}

    def buckets(self, peer: Peer, tags: Collection[str]) -> Buckets:
        """Digests of what the site has."""
        site = self._reach(peer, "buckets", sorted(tags))
        return Buckets(site.epoch, site.seen_tags, tuple(bucket_digests(site.versions())))

    def bucket(self, peer: Peer, number: int, tags: Collection[str]) -> dict[str, tuple[str, str]]:  # noqa: ARG002 - as for buckets
        """What the site has in one bucket."""
        versions = self._reach(peer, "bucket", number).versions()
        return {one: version for one, version in versions.items() if int(one[:2], 16) == number}

    def rotate(self, peer: Peer, rotations: Sequence[bytes]) -> None:
        """The site learns our new key."""
        site = self._reach(peer, "rotate", len(rotations))
        if not site.knows_us:
            raise PeerRefused("who are you?")
        site.told, site.answers = list(rotations), None

    def witness(self, peer: Peer, checkpoint: bytes) -> bytes:
        """The site signs that it was told, if it witnesses."""
        site = self._reach(peer, "witness", checkpoint)
        if site.receipts is None:
            raise SourceLacks("there is no such call")
        site.witnessed.append(checkpoint)
        return site.receipts(checkpoint)

    def witnessed(self, peer: Peer) -> Sequence[bytes]:
        """What the site was told."""
        return list(self._reach(peer, "witnessed", None).witnessed)

    def status(self, peer: Peer) -> dict[str, Any]:
        """It answers."""
        return {"protocol": [self._reach(peer, "status", None).protocol]}

    def view_tags(self, peer: Peer) -> Tags:
        """What it lets us see."""
        return frozenset(self._reach(peer, "status", None).seen_tags)

    def manifest(self, peer: Peer, package_id: str) -> bytes:
        """The envelope, or what the site says it is."""
        site = self._reach(peer, "manifest", package_id)
        return site.envelopes.get(package_id) or site.packages[package_id].envelope

    def chunk_digests(self, peer: Peer, package_id: str, size: int) -> bytes:
        """The chunk list."""
        site = self._reach(peer, "chunk_digests", package_id)
        _refuse_lacking(site, package_id)
        return site.packages[package_id].chunks.packed[:size]

    @contextmanager
    def content(self, peer: Peer, package_id: str, part: Slice, first_chunk: int) -> Iterator[FakeContent]:
        """Chunks of a slice from `first_chunk` on."""
        site = self._reach(peer, "content", (part.index, first_chunk))
        _refuse_lacking(site, package_id)
        yield FakeContent(site, site.packages[package_id].content, part, first_chunk, self.on_chunk)


def _refuse_lacking(site: FakeSite, package_id: str) -> None:
    if package_id in site.lacks:
        raise SourceLacks(f"{package_id} is not here")


@dataclass
class FakeContent:
    """`Content`, with the faults of its site, in two buffers that are used in turn as the real one does."""

    site: FakeSite
    content: bytes
    part: Slice
    first_chunk: int
    on_chunk: Callable[[int], None]

    def chunks(self, saw: Callable[[int], None]) -> Iterator[tuple[int, memoryview]]:
        """Chunk index and bytes."""
        buffers, seen = [bytearray(CHUNK_SIZE), bytearray(CHUNK_SIZE)], 0
        for index in range(self.first_chunk, self.part.first + self.part.count):
            if self.site.breaks_after == index - self.first_chunk:
                raise PeerUnreachable("the link broke within a slice")
            self.on_chunk(index)
            chunk = self.content[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE]
            buffer = memoryview(buffers[index % 2])[: len(chunk)]
            buffer[:] = bytes(len(chunk)) if index in self.site.bad_chunks else chunk
            seen += len(chunk)
            saw(seen)
            yield index, buffer
