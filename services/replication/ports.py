"""What the replication handlers need from outside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from services.replication.domain.peer import OpenInvitation, Peer
from services.replication.domain.transfer import Claim, Transfer
from shared.contracts.events import Event
from shared.core.invitation import Invitation
from shared.core.slices import Slice


@dataclass(frozen=True, slots=True)
class Announcement:
    """A doorbell to be rung at one peer."""

    peer_id: str
    attempts: int
    correlation_id: str
    """That of the news, so that a package can be followed from site to site."""


@dataclass(frozen=True, slots=True)
class FeedItems:
    """A page of a peer's change feed: package ids in order, and the cursor after it."""

    epoch: str
    package_ids: tuple[str, ...]
    next: int
    more: bool


class PeerChanges(Protocol):
    """One transaction on peers, invitations and announcements."""

    def peer(self, peer_id: str) -> Peer | None:
        """A peer."""

    def save_peer(self, peer: Peer) -> None:
        """Insert or replace."""

    def active_peers(self) -> Sequence[Peer]:
        """All that may speak."""

    def invitation(self, lookup: str) -> OpenInvitation | None:
        """An invitation that we gave."""

    def save_invitation(self, invitation: OpenInvitation) -> None:
        """Insert or replace."""

    def add_nonce(self, sender: str, nonce: str, expires: int) -> bool:
        """Remember a nonce; False if it was seen before."""

    def add_sources(self, peer_id: str, package_ids: Sequence[str]) -> None:
        """This peer has these packages."""

    def announce_to(self, peer_id: str, not_before: dt.datetime, attempts: int = 0) -> None:
        """Have the doorbell of this peer rung; several wishes are one ring."""

    def drop_announcement(self, peer_id: str) -> None:
        """It was rung, or it is no use."""

    def dispatch(self, event: Event) -> None:
        """Say so when the transaction is committed."""


class Peers(Protocol):
    """Peers, invitations, announcements."""

    def changing(self) -> AbstractContextManager[PeerChanges]:
        """A transaction."""

    def all(self) -> Sequence[Peer]:
        """Every peer, revoked ones too."""

    def get(self, peer_id: str) -> Peer | None:
        """A peer."""

    def due_for_poll(self, now: dt.datetime) -> Sequence[Peer]:
        """Active peers whose feed is to be read now."""

    def due_announcements(self, now: dt.datetime) -> Sequence[Announcement]:
        """Doorbells to ring now."""

    def sources_of(self, package_id: str) -> Sequence[Peer]:
        """Peers that have this package."""

    def forget_nonces(self, before: int) -> None:
        """Drop nonces that expired before this Unix time."""


class TransferChanges(Protocol):
    """One transaction on transfers and slices."""

    def of_package(self, package_id: str) -> Transfer | None:
        """The transfer of a package that has not ended, or the latest."""

    def save(self, transfer: Transfer) -> None:
        """Insert or replace a transfer."""

    def add_slices(self, transfer_id: str, slices: Sequence[Slice]) -> None:
        """Plan slices."""

    def finish_slice(self, claim: Claim) -> bool:
        """Mark a slice done if the claim still holds; False for a zombie."""

    def add_fetched(self, transfer_id: str, count: int) -> None:
        """Count bytes that came over the wire."""

    def slices_left(self, transfer_id: str) -> int:
        """Slices that are not done."""

    def get(self, transfer_id: str) -> Transfer | None:
        """A transfer."""

    def note_bad_chunk(self, transfer_id: str, chunk: int, peer_id: str) -> int:
        """Remember who gave a wrong chunk; the number of different peers that gave this one wrong."""

    def dispatch(self, event: Event) -> None:
        """Say so when the transaction is committed."""


class Transfers(Protocol):
    """Transfers and their slices, shared by all replication workers."""

    def changing(self) -> AbstractContextManager[TransferChanges]:
        """A transaction."""

    def claim(self, worker: str, now: dt.datetime, lease: dt.timedelta) -> Claim | None:
        """Take one slice that is ready or whose lease expired."""

    def renew(self, claim: Claim, until: dt.datetime) -> bool:
        """Extend the lease; False if the claim is lost."""

    def give_back(self, claim: Claim, not_before: dt.datetime) -> None:
        """Let others try from `not_before`, if the claim still holds."""

    def listed(self, limit: int) -> Sequence[tuple[Transfer, int]]:
        """Newest transfers, each with the bytes of its finished slices."""

    def stale_assembled(self, before: dt.datetime) -> Sequence[Transfer]:
        """Assembled transfers that nobody verified since."""

    def figures(self) -> dict[str, float]:
        """Counts for metrics."""


class Content(Protocol):
    """A slice on its way: chunks in order, each in a buffer that is reused after the next but one."""

    def chunks(self) -> Iterator[tuple[int, memoryview]]:
        """Chunk index and bytes.

        Raises:
            PeerLied: if more, fewer or other bytes come than were asked for.
            PeerUnreachable: if the link fails.
        """


class PeerClient(Protocol):
    """The peer protocol, from the asking side. Every method raises PeerUnreachable or PeerLied."""

    def register(self, invitation: Invitation, request: dict[str, Any]) -> dict[str, Any]:
        """`POST /ods/v1/registrations` at who invited; its signed answer."""

    def announce(self, peer: Peer, epoch: str, seq: int) -> None:
        """`POST /ods/v1/announcements`."""

    def changes(self, peer: Peer, epoch: str | None, since: int) -> FeedItems:
        """`GET /ods/v1/changes`."""

    def manifest(self, peer: Peer, package_id: str) -> bytes:
        """`GET /ods/v1/packages/{id}/manifest`: the envelope, not yet checked."""

    def chunk_digests(self, peer: Peer, package_id: str, size: int) -> bytes:
        """`GET /ods/v1/packages/{id}/chunk-digests`: exactly `size` bytes, not yet checked."""

    def content(self, peer: Peer, package_id: str, part: Slice, first_chunk: int) -> AbstractContextManager[Content]:
        """`GET /ods/v1/packages/{id}/content` from `first_chunk` to the end of the slice."""


class StorageService(Protocol):
    """The catalogue, over RPC."""

    def state_of(self, package_id: str) -> str | None:
        """State of a package there; None if it is unknown."""

    def offer_manifest(self, envelope: bytes, peer_id: str) -> str:
        """Hand over a manifest; the package's state."""

    def manifest(self, package_id: str) -> bytes:
        """The envelope of a package that is here or wanted."""

    def feed_position(self) -> tuple[str, int]:
        """Epoch and highest number of our own change feed."""

    def give_up(self, package_id: str, code: str, reason: str) -> None:
        """This package cannot be had."""


class Background(Protocol):
    """Work in a real thread that is waited for later."""

    def wait(self) -> Any:
        """Its result, or what it raised."""


StartBackground = Callable[..., Background]
"""Starts a function with arguments in a real thread."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who signed a request, and what makes it unique."""

    peer_id: str
    nonce: str
    expires: int


class Signatures(Protocol):
    """The instance's key, for requests between instances."""

    @property
    def identity(self) -> tuple[str, bytes]:
        """Instance id and raw public key."""

    def verify(self, request: dict[str, Any], find_public: Callable[[str], bytes | None]) -> Sender:
        """Who signed `request` (`{method, target, headers}`).

        Raises:
            Unauthenticated: if nobody known did, for us, now.
        """

    def verify_body(self, request: dict[str, Any], body: bytes) -> None:
        """Accept a body only if it has the digest that was signed.

        Raises:
            Unauthenticated: if it has not.
        """
