"""The events of ODST: facts in the past tense, frozen.

An event carries identifiers and small values, never a list that grows with the package. On the bus it travels in an
`Envelope` on the topic exchange `<source>.events` with its type as routing key. Schemas are generated into `schemas/`;
`examples/` holds one golden example per version.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Sha1 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Size = Annotated[int, Field(ge=0)]


class Event(BaseModel):
    """Base of all events. Unknown fields are ignored, so that a newer sender can talk to an older reader."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    type: ClassVar[str]
    """Routing key and catalogue name, with its version."""
    source: ClassVar[str]
    """The service that dispatches it."""


class Envelope(BaseModel):
    """What surrounds an event on the bus, in the outbox and in a webhook."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    id: Id
    type: str
    source: str
    time: dt.datetime
    correlation_id: str
    data: dict[str, object]

    @classmethod
    def around(cls, event: Event, correlation_id: str) -> Envelope:
        """A new envelope, with an id of its own, around a fact that has just happened."""
        return cls(
            id=str(uuid.uuid4()),
            type=event.type,
            source=event.source,
            time=dt.datetime.now(dt.UTC),
            correlation_id=correlation_id,
            data=event.model_dump(mode="json"),
        )


class FileDigests(BaseModel):
    """What hashing found out about one file."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    size: Size
    sha256: Sha256
    sha1: Sha1
    chunks_sha256: Sha256
    chunks_sha1: Sha256
    seconds: Annotated[float, Field(ge=0)]
    """Wall time of the digest pass."""


class PackageReceivedV1(Event):
    """An upload is complete on disk and synced; it has no digests yet."""

    type: ClassVar[str] = "package.received.v1"
    source: ClassVar[str] = "storage"
    upload_id: Id
    name: str
    size: Size


class PackageHashProgressedV1(Event):
    """Part of an upload's digest pass is done. Throttled; for people who watch."""

    type: ClassVar[str] = "package.hash_progressed.v1"
    source: ClassVar[str] = "hashing"
    upload_id: Id
    bytes_done: Size


class PackageHashedV1(Event):
    """The digests of an upload are known; its chunk-digest list lies beside it in the incoming area."""

    type: ClassVar[str] = "package.hashed.v1"
    source: ClassVar[str] = "hashing"
    upload_id: Id
    digests: FileDigests


class PackagePublishedV1(Event):
    """A package is downloadable here: uploaded here, or moved here from a peer."""

    type: ClassVar[str] = "package.published.v1"
    source: ClassVar[str] = "storage"
    package_id: Id
    name: str
    size: Size
    sha256: Sha256
    origin: str
    received_from: str | None = None
    """Instance id of the peer whose manifest brought it here; none for a local upload."""
    current: bool = True
    """False if another package of greater precedence has the name already: these bytes are here, and clients get the other's."""


class PeerAnnouncedV1(Event):
    """A peer rang: it has news in its change feed. Only a hint."""

    type: ClassVar[str] = "peer.announced.v1"
    source: ClassVar[str] = "replication"
    peer_id: str
    epoch: str
    seq: Size


class PackageWantedV1(Event):
    """A package is known by its manifest, and its bytes are not here yet."""

    type: ClassVar[str] = "package.wanted.v1"
    source: ClassVar[str] = "storage"
    package_id: Id
    name: str
    size: Size


class PackageAssembledV1(Event):
    """All chunks of a transfer are on disk and synced, each verified; the whole is not yet verified."""

    type: ClassVar[str] = "package.assembled.v1"
    source: ClassVar[str] = "replication"
    package_id: Id
    transfer_id: Id
    size: Size
    sha256: Sha256
    sha1: Sha1


class PackageVerifiedV1(Event):
    """The assembled file as a whole has the digests that its manifest says."""

    type: ClassVar[str] = "package.verified.v1"
    source: ClassVar[str] = "hashing"
    package_id: Id
    transfer_id: Id
    digests: FileDigests


class PackageRejectedV1(Event):
    """An assembled file does not have the digests that its manifest says."""

    type: ClassVar[str] = "package.rejected.v1"
    source: ClassVar[str] = "hashing"
    package_id: Id
    transfer_id: Id
    code: str
    reason: str


class PackageQuarantinedV1(Event):
    """A file was refused and put aside with a note; nothing was deleted."""

    type: ClassVar[str] = "package.quarantined.v1"
    source: ClassVar[str] = "storage"
    package_id: Id
    name: str
    code: str
    reason: str


class PeerRegisteredV1(Event):
    """A registration is complete: both sides have pinned each other's key."""

    type: ClassVar[str] = "peer.registered.v1"
    source: ClassVar[str] = "replication"
    peer_id: str
    name: str


class PeerRevokedV1(Event):
    """A peer is deaf and mute from now on."""

    type: ClassVar[str] = "peer.revoked.v1"
    source: ClassVar[str] = "replication"
    peer_id: str
    name: str


class PeerBannedV1(Event):
    """A security event: a peer provably lied more often than is allowed, and is no source until `until`."""

    type: ClassVar[str] = "peer.banned.v1"
    source: ClassVar[str] = "replication"
    peer_id: str
    reason: str
    until: dt.datetime


class TransferSuspectV1(Event):
    """An alarm: different peers gave the same wrong chunk, so the manifest is suspect and the transfer stopped."""

    type: ClassVar[str] = "transfer.suspect.v1"
    source: ClassVar[str] = "replication"
    transfer_id: Id
    package_id: Id
    chunk: Size


class MessageDeadLetteredV1(Event):
    """A message could not be handled and waits among the dead letters. Made by `shared.runtime.bus`, of any service."""

    type: ClassVar[str] = "message.dead_lettered.v1"
    source: ClassVar[str] = "bus"
    queue: str
    code: str
    reason: str
    event_type: str | None = None


ALL: dict[str, type[Event]] = {
    event.type: event
    for event in (
        PackageReceivedV1,
        PackageHashProgressedV1,
        PackageHashedV1,
        PackagePublishedV1,
        PeerAnnouncedV1,
        PackageWantedV1,
        PackageAssembledV1,
        PackageVerifiedV1,
        PackageRejectedV1,
        PackageQuarantinedV1,
        PeerRegisteredV1,
        PeerRevokedV1,
        PeerBannedV1,
        TransferSuspectV1,
        MessageDeadLetteredV1,
    )
}
"""The catalogue: every event by its type."""
