"""What the replication handlers need from outside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from services.replication.domain.catalogue import Holding, Outline, WhoIsWho
from services.replication.domain.peer import Announcement, OpenInvitation, Peer, Sender
from services.replication.domain.records import Buckets, Deferred, FeedItem, FeedPage, Key, Records, Refusal, Versions
from services.replication.domain.transfer import Claim, Transfer
from services.replication.domain.witnessing import Held, OwnCheckpoint
from shared.contracts.events import Event
from shared.core.charter import Rotation
from shared.core.checkpoint import Checkpoint, Receipt
from shared.core.identity import InstanceId
from shared.core.invitation import Invitation
from shared.core.slices import Slice
from shared.core.staging import Tags


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

    def rename_peer(self, old_id: str, peer: Peer) -> None:
        """Replace a peer by itself under another id: its sources, announcements, deferred records and checkpoints follow."""

    def add_sources(self, peer_id: str, package_ids: Sequence[str], *, has_bytes: bool = True) -> None:
        """This peer has these packages; without bytes, it knows them."""

    def drop_sources(self, peer_id: str, package_ids: Sequence[str] | None = None) -> None:
        """This peer has and knows these packages no longer, or none."""

    def save_deferred(self, deferred: Sequence[Deferred]) -> None:
        """Insert or replace."""

    def drop_deferred(self, peer_id: str, keys: Sequence[Key] | None = None) -> None:
        """These are not waited for any more, or none."""

    def retry_refused(self, now: dt.datetime) -> None:
        """Have all that was refused for want of trust tried again: we know more now."""

    def witnessed(self, peer_id: str) -> Sequence[Held]:
        """What this peer told of its audit log, in the order of its entries."""

    def save_witnessed(self, peer_id: str, held: Held) -> None:
        """Insert or replace."""

    def drop_witnessed(self, peer_id: str, keys: Sequence[tuple[int, str]]) -> None:
        """These need not be kept."""

    def announce_to(self, peer_id: str, not_before: dt.datetime, attempts: int = 0) -> None:
        """Have the doorbell of this peer rung; several wishes are one ring."""

    def drop_announcement(self, peer_id: str) -> bool:
        """It is rung now, or it is no use; False if there was none, or somebody else took it."""

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
        """Active peers whose feed is to be read now, who waits longest first."""

    def due_announcements(self, now: dt.datetime) -> Sequence[Announcement]:
        """Doorbells to ring now."""

    def sources_of(self, package_id: str) -> Sequence[Peer]:
        """Peers that have this package."""

    def sources_among(self, package_ids: Sequence[str]) -> Mapping[str, set[str]]:
        """For each package the ids of the peers that have its bytes."""

    def shown_among(self, package_ids: Sequence[str]) -> set[str]:
        """Those that at least one active peer knows, with or without bytes."""

    def deferred_among(self, peer_id: str, record_ids: Sequence[str]) -> Sequence[Deferred]:
        """What this peer offered of these records, and was not taken."""

    def deferred_due(self, peer_id: str, now: dt.datetime, limit: int) -> Sequence[Deferred]:
        """What is to be tried again now, oldest first."""

    def deferred_count(self, peer_id: str) -> int:
        """How many records of this peer were not taken."""

    def figures(self) -> dict[str, float]:
        """Counts for metrics."""

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

    def drop_slices(self, transfer_id: str) -> None:
        """Forget its slices: whoever has claimed one has lost it."""

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
        """Take one slice that is ready or whose lease expired, of a transfer that fetches and is not paused: by priority, then age.

        Times more than an hour away were set by a wrong clock, and are past.
        """

    def renew(self, claim: Claim, until: dt.datetime) -> bool:
        """Extend the lease; False if the claim is lost."""

    def give_back(self, claim: Claim, not_before: dt.datetime) -> None:
        """Let others try from `not_before`, if the claim still holds."""

    def listed(
        self, limit: int, before: tuple[str, str] | None = None, states: Collection[str] = (), name: str | None = None
    ) -> Sequence[tuple[Transfer, int]]:
        """Newest transfers, each with the bytes of its finished slices; those behind a place (when planned, and id) that fit."""

    def shown(self, transfer_id: str) -> tuple[Transfer, int] | None:
        """One of them."""

    def held_back(self, package_ids: Sequence[str]) -> dict[str, str]:
        """Which of these packages are `paused` or `cancelled` here."""

    def stale_assembled(self, before: dt.datetime) -> Sequence[Transfer]:
        """Assembled transfers that nobody verified since."""

    def open_since(self, before: dt.datetime) -> Sequence[Transfer]:
        """Transfers that were planned before that and still fetch."""

    def progress(self, package_ids: Sequence[str]) -> dict[str, int]:
        """How far the transfers of these packages are, in percent; those that are not on their way are left out."""

    def figures(self) -> dict[str, float]:
        """Counts for metrics."""


class Content(Protocol):
    """A slice on its way: chunks in order, each in a buffer that is reused after the next but one."""

    def chunks(self, saw: Callable[[int], None]) -> Iterator[tuple[int, memoryview]]:
        """Chunk index and bytes. `saw` is told how many bytes came so far, several times in each chunk; what it raises ends this.

        Raises:
            PeerLied: if more, fewer or other bytes come than were asked for.
            PeerUnreachable: if the link fails, or so few bytes come that nobody would wait for more.
        """


class PeerClient(Protocol):
    """The peer protocol, from the asking side. Every method raises PeerUnreachable or PeerLied."""

    def register(self, invitation: Invitation, request: dict[str, Any]) -> dict[str, Any]:
        """`POST /ods/v1/registrations` at who invited; its signed answer."""

    def announce(self, peer: Peer, epoch: str, seq: int) -> None:
        """`POST /ods/v1/announcements`."""

    def changes(self, peer: Peer, epoch: str | None, since: int) -> FeedPage:
        """`GET /ods/v1/changes`."""

    def records(self, peer: Peer, packages: Sequence[str], charters: Sequence[str], rotations: Sequence[str]) -> Records:
        """`POST /ods/v1/records`: at most 200 in all; what does not fit in an answer is left out."""

    def holdings(self, peer: Peer, package_ids: Sequence[str]) -> dict[str, Holding]:
        """`POST /ods/v1/holdings`: at most 200."""

    def buckets(self, peer: Peer, tags: Collection[str]) -> Buckets:
        """`GET /ods/v1/buckets`: of what the peer shows us, and has one of `tags` or none."""

    def bucket(self, peer: Peer, number: int, tags: Collection[str]) -> Versions:
        """`GET /ods/v1/buckets/<number>`."""

    def rotate(self, peer: Peer, rotations: Sequence[bytes]) -> None:
        """`POST /ods/v1/rotations`: all of ours, oldest first; the last one ends in our present key."""

    def witness(self, peer: Peer, checkpoint: bytes) -> bytes:
        """`POST /ods/v1/witnesses`: the peer's receipt, not yet checked."""

    def witnessed(self, peer: Peer) -> Sequence[bytes]:
        """`GET /ods/v1/witnesses`: the checkpoints that the peer holds of us, not yet checked."""

    def status(self, peer: Peer) -> dict[str, Any]:
        """`GET /ods/v1/status`."""

    def view_tags(self, peer: Peer) -> Tags:
        """The staging tags that the peer lets us see, by `GET /ods/v1/status`."""

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

    def compare_records(self, items: Sequence[FeedItem]) -> set[Key]:
        """Which records of a feed page are unknown or different here."""

    def offer_records(self, records: Records, peer_id: str) -> Sequence[Refusal]:
        """Hand over what a peer gave; what was not taken."""

    def read_rotations(self) -> Sequence[bytes]:
        """The envelopes of the rotations that lead to our present key."""

    def ring_wanted(self, package_ids: Sequence[str]) -> None:
        """A source has the bytes of these now, in case that one of them is waiting for that."""

    def withdraw_packages(self, package_ids: Sequence[str], peer_id: str) -> None:
        """No peer shows these to us any more."""

    def holdings(self, package_ids: Sequence[str], tags: Collection[str] | None = None) -> dict[str, Holding]:
        """What is here of these; with `tags`, of those that who bears them may have."""

    def show(self, reference: str) -> Outline:
        """A package, by its id or a digest.

        Raises:
            NotFound: if there is none.
        """

    def outlines(self, after: str | None) -> tuple[Sequence[Outline], str | None]:
        """The next packages by id, and after which to go on."""

    def digest_buckets(self, shown: Collection[str], seen: Collection[str]) -> Sequence[str]:
        """256 digests of all packages that bear one of `shown` and one of `seen`, or no staging tag at all."""

    def list_bucket(self, number: int, shown: Collection[str], seen: Collection[str]) -> Versions:
        """The packages of one bucket."""

    def declare_peers(
        self, stewards: Sequence[Mapping[str, str | None]], revoked: Sequence[Mapping[str, str]], registered: Sequence[Mapping[str, str]]
    ) -> None:
        """Who may write about our packages, whom we do not trust, and since when active peers are registered; for our charter."""

    def revoked_among(self, instance_ids: Sequence[str]) -> Mapping[str, str]:
        """Which of these our stewards have revoked, under whatever id, and which steward did."""

    def who_is_who(self) -> WhoIsWho:
        """What instances say of themselves."""


class Background(Protocol):
    """Work in a real thread that is waited for later."""

    def wait(self) -> Any:
        """Its result, or what it raised."""


StartBackground = Callable[..., Background]
"""Starts a function with arguments in a real thread."""

Together = Callable[[Sequence[Callable[[], Any]], float], Sequence[Any]]
"""Runs functions side by side; their results in order, and None for each that refused or took more than so many seconds."""

OpenRotation = Callable[[bytes], Rotation]
"""Reads a rotation from its envelope, if both keys signed it; raises RecordInvalid."""


OpenCheckpoint = Callable[[bytes], Checkpoint]
"""Reads a checkpoint from its envelope, if its instance signed it; raises RecordInvalid."""

SignReceipt = Callable[[Callable[[InstanceId, bytes], Receipt]], bytes]
"""The envelope of the receipt that its argument makes of our id and key."""

LatestCheckpoint = Callable[[], OwnCheckpoint | None]
"""Our last checkpoint, if there is one that was signed with our present key."""

KeepReceipt = Callable[[str, bytes], None]
"""A peer has witnessed it; raises RecordInvalid or Conflict, if the receipt is not the peer's, or for something else."""


class Signatures(Protocol):
    """The instance's key, for requests between instances."""

    @property
    def identity(self) -> tuple[str, bytes]:
        """Instance id and raw public key."""

    def verify(self, request: dict[str, Any], find_public: Callable[[str], bytes | None]) -> Sender:
        """Who signed `request` (`{method, target, headers}`).

        Raises:
            SenderClockDiffers: if only the time is wrong.
            Unauthenticated: if nobody known did, for us, now.
        """

    def verify_body(self, request: dict[str, Any], body: bytes) -> None:
        """Accept a body only if it has the digest that was signed.

        Raises:
            Unauthenticated: if it has not.
        """
