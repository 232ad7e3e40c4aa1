"""What happens between instances: peers, trust, and alarms about either."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, ClassVar

from pydantic import Field

from shared.contracts.events.base import Event, Id, Size, StampText
from shared.core.staging import MAX_TAGS


class PeerAnnouncedV1(Event):
    """A peer rang: it has news in its change feed. Only a hint."""

    type: ClassVar[str] = "peer.announced.v1"
    source: ClassVar[str] = "replication"
    peer_id: str
    epoch: str
    seq: Size


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
    person: str | None = None
    """Who did it; the id of the steward, if that revoked it."""


class PeerChangedV1(Event):
    """What a peer may see, or whether it may steward our packages, was changed here."""

    type: ClassVar[str] = "peer.changed.v1"
    source: ClassVar[str] = "replication"
    peer_id: str
    name: str
    tags: Annotated[tuple[str, ...], Field(max_length=MAX_TAGS)]
    steward: bool
    person: str


class PeerBannedV1(Event):
    """A security event: a peer provably lied more often than is allowed, and is no source until `until`."""

    type: ClassVar[str] = "peer.banned.v1"
    source: ClassVar[str] = "replication"
    right: ClassVar[str] = "audit"
    peer_id: str
    reason: str
    until: dt.datetime


class CatalogueChangedV1(Event):
    """Something in the change feed is new: a record, a tag, a tombstone, bytes that came or went. Peers are to hear of it."""

    type: ClassVar[str] = "catalogue.changed.v1"
    source: ClassVar[str] = "storage"
    received_from: str | None = None
    """Instance id of the peer that it was learned from; none for a change made here."""


class RecordRefusedV1(Event):
    """A security event: a peer relayed a record that is forged, not its author's to write, or from the future."""

    type: ClassVar[str] = "record.refused.v1"
    source: ClassVar[str] = "replication"
    right: ClassVar[str] = "audit"
    peer_id: str
    kind: str
    record_id: str
    code: str
    reason: str


class MetaOverruledV1(Event):
    """Of two writes about the same field of a package, this one lost. Kept for the audit."""

    type: ClassVar[str] = "meta.overruled.v1"
    source: ClassVar[str] = "storage"
    right: ClassVar[str] = "audit"
    package_id: Id
    field: str
    lost_value: str
    lost_author: str
    lost_stamp: StampText
    lost_person: str
    won_value: str
    won_author: str
    won_stamp: StampText


class CatalogueRestoredV1(Event):
    """An alarm: the database is older than what peers were told already, so it was restored or reset. The feed has a new epoch."""

    type: ClassVar[str] = "catalogue.restored.v1"
    source: ClassVar[str] = "storage"
    told_seq: Size
    found_seq: Size
    epoch: str


class InstanceStaleV1(Event):
    """An alarm: an instance issued no charter for too long. It is away, or somebody on the way withholds its news."""

    type: ClassVar[str] = "instance.stale.v1"
    source: ClassVar[str] = "storage"
    instance_id: str
    name: str
    issued: dt.datetime


class CensusDifferedV1(Event):
    """An alarm: what an instance says that it wrote is not what arrived here. Somebody on the way strips or withholds records."""

    type: ClassVar[str] = "census.differed.v1"
    source: ClassVar[str] = "storage"
    instance_id: str
    name: str
    written: Size
    arrived: Size


class TrustChangedV1(Event):
    """Who may write about whose packages has changed. What was refused or dropped may count now, so feeds are to be read anew."""

    type: ClassVar[str] = "trust.changed.v1"
    source: ClassVar[str] = "storage"
    received_from: str | None = None
    """Instance id of the peer that it was learned from; none for a change made here."""


class InstanceRevokedV1(Event):
    """An instance that we let steward our packages revoked another one."""

    type: ClassVar[str] = "instance.revoked.v1"
    source: ClassVar[str] = "storage"
    instance_id: str
    revoked_by: str


class InstanceRotatedV1(Event):
    """An instance has a new key, and so a new id; the old one signed the new one."""

    type: ClassVar[str] = "instance.rotated.v1"
    source: ClassVar[str] = "storage"
    old_id: str
    new_id: str
    new_key: str
    """Raw public key, base64."""
    person: str | None = None
    """Who had it done, if it was done here."""


class InstanceContestedV1(Event):
    """A security event: one key was replaced by two different ones, so somebody has it who should not. Which one counts proves nothing."""

    type: ClassVar[str] = "instance.contested.v1"
    source: ClassVar[str] = "storage"
    right: ClassVar[str] = "audit"
    old_id: str
    new_id: str
    """The id that counts here as what it became."""
    rival_id: str
    """The id that it became by the other rotation."""


class CatalogueDriftedV1(Event):
    """The drift check found records that the change feed should have brought; they were fetched."""

    type: ClassVar[str] = "catalogue.drifted.v1"
    source: ClassVar[str] = "replication"
    peer_id: str
    missing: Size
    different: Size


class PeerFeedWentBackV1(Event):
    """A security event: the change feed of a peer ends before what it told us earlier, under the same epoch."""

    type: ClassVar[str] = "peer.feed_went_back.v1"
    source: ClassVar[str] = "replication"
    right: ClassVar[str] = "audit"
    peer_id: str
    told_seq: Size
    found_seq: Size


class PeerClockSkewedV1(Event):
    """The clocks of a peer and of this instance differ by more than is tolerated: they refuse each other's requests."""

    type: ClassVar[str] = "peer.clock_skewed.v1"
    source: ClassVar[str] = "replication"
    peer_id: str
    name: str
    seconds: float
    """How far the peer's clock is ahead of ours; negative if it is behind."""


class AuditContradictedV1(Event):
    """An alarm: a peer signed two things about its audit log that cannot both be true. Somebody wrote it anew, or cut it."""

    type: ClassVar[str] = "audit.contradicted.v1"
    source: ClassVar[str] = "replication"
    right: ClassVar[str] = "audit"
    peer_id: str
    name: str
    held_number: Size
    held_hash: str
    told_number: Size
    told_hash: str
    reason: str
