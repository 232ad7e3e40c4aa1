"""The other side of the peer protocol in memory: peers that are honest, away, or lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from services.replication.domain.peer import Peer
from services.replication.ports import FeedItems
from shared.core.digest import CHUNK_SIZE
from shared.core.errors import NotFound, PeerUnreachable
from shared.core.invitation import Invitation
from shared.core.slices import Slice
from shared.testing.builders import Signed


@dataclass
class FakeSite:
    """What one peer has and how it behaves."""

    packages: dict[str, Signed] = field(default_factory=dict)
    envelopes: dict[str, bytes] = field(default_factory=dict)
    epoch: str = "their-epoch"
    page_size: int = 2
    away: bool = False
    bad_chunks: set[int] = field(default_factory=set)
    breaks_after: int | None = None
    """Chunks of an answer after which the link breaks."""
    rung: list[tuple[str, int]] = field(default_factory=list)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def has(self, *packages: Signed) -> None:
        """It has these packages, in the order of its feed."""
        self.packages |= {package.package_id: package for package in packages}


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
        return site

    def register(self, invitation: Invitation, request: dict[str, Any]) -> dict[str, Any]:
        """Ask whoever stands behind `registrar`."""
        if self.registrar is None:
            raise PeerUnreachable(f"nobody answers at {invitation.url}")
        return self.registrar(request)

    def announce(self, peer: Peer, epoch: str, seq: int) -> None:
        """Ring."""
        self._reach(peer, "announce", seq).rung.append((epoch, seq))

    def changes(self, peer: Peer, epoch: str | None, since: int) -> FeedItems:
        """A page of the feed; the position of a package is its number."""
        site = self._reach(peer, "changes", since)
        ids = list(site.packages)
        start = since if epoch == site.epoch else 0
        page = tuple(ids[start : start + site.page_size])
        return FeedItems(site.epoch, page, start + len(page), start + len(page) < len(ids))

    def manifest(self, peer: Peer, package_id: str) -> bytes:
        """The envelope, or what the site says it is."""
        site = self._reach(peer, "manifest", package_id)
        return site.envelopes.get(package_id) or site.packages[package_id].envelope

    def chunk_digests(self, peer: Peer, package_id: str, size: int) -> bytes:
        """The chunk list."""
        return self._reach(peer, "chunk_digests", package_id).packages[package_id].chunks.packed[:size]

    @contextmanager
    def content(self, peer: Peer, package_id: str, part: Slice, first_chunk: int) -> Iterator[FakeContent]:
        """Chunks of a slice from `first_chunk` on."""
        site = self._reach(peer, "content", (part.index, first_chunk))
        yield FakeContent(site, site.packages[package_id].content, part, first_chunk, self.on_chunk)


@dataclass
class FakeContent:
    """`Content`, with the faults of its site, in two buffers that are used in turn as the real one does."""

    site: FakeSite
    content: bytes
    part: Slice
    first_chunk: int
    on_chunk: Callable[[int], None]

    def chunks(self) -> Iterator[tuple[int, memoryview]]:
        """Chunk index and bytes."""
        buffers = [bytearray(CHUNK_SIZE), bytearray(CHUNK_SIZE)]
        for index in range(self.first_chunk, self.part.first + self.part.count):
            if self.site.breaks_after == index - self.first_chunk:
                raise PeerUnreachable("the link broke within a slice")
            self.on_chunk(index)
            chunk = self.content[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE]
            buffer = memoryview(buffers[index % 2])[: len(chunk)]
            buffer[:] = bytes(len(chunk)) if index in self.site.bad_chunks else chunk
            yield index, buffer


@dataclass
class FakeStorageService:
    """Replication's view of storage. `refuses` holds what offering a package raises."""

    envelopes: dict[str, bytes] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    offered: list[tuple[bytes, str]] = field(default_factory=list)
    refuses: dict[bytes, Exception] = field(default_factory=dict)
    given_up: list[tuple[str, str]] = field(default_factory=list)
    position: tuple[str, int] = ("our-epoch", 7)

    def wants(self, *packages: Signed) -> None:
        """These are wanted."""
        self.envelopes |= {package.package_id: package.envelope for package in packages}
        self.states |= dict.fromkeys((package.package_id for package in packages), "wanted")

    def state_of(self, package_id: str) -> str | None:
        """State of a package there."""
        return self.states.get(package_id)

    def offer_manifest(self, envelope: bytes, peer_id: str) -> str:
        """Take a manifest, or refuse it."""
        if envelope in self.refuses:
            raise self.refuses[envelope]
        self.offered.append((envelope, peer_id))
        return "wanted"

    def manifest(self, package_id: str) -> bytes:
        """The envelope of a package that is wanted."""
        if package_id not in self.envelopes:
            raise NotFound(f"there is no package {package_id} here")
        return self.envelopes[package_id]

    def feed_position(self) -> tuple[str, int]:
        """Epoch and highest number of our own feed."""
        return self.position

    def give_up(self, package_id: str, code: str, reason: str) -> None:  # noqa: ARG002 - the reason is for people
        """This package cannot be had."""
        self.given_up.append((package_id, code))
