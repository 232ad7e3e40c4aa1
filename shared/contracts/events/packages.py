"""What happens to packages, their bytes and their tags."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.events.base import Event, Id, Md5, Sha1, Sha256, Sha512, Size, Tag
from shared.core.staging import MAX_TAGS

PackageTags = Annotated[tuple[Tag, ...], Field(max_length=MAX_TAGS)] | None


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
    tags: PackageTags = None
    """The staging tags that it has; null if an earlier version said this."""


class PackageWantedV1(Event):
    """A package is known by its manifest, and its bytes are not here yet."""

    type: ClassVar[str] = "package.wanted.v1"
    source: ClassVar[str] = "storage"
    package_id: Id
    name: str
    size: Size
    tags: PackageTags = None
    """The staging tags that it has; null if an earlier version said this."""


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


class PackageDigestsWantedV1(Event):
    """Somebody outside asks for digests of a package that the mesh does not need; its verified bytes are here."""

    type: ClassVar[str] = "package.digests_wanted.v1"
    source: ClassVar[str] = "storage"
    package_id: Id
    sha256: Sha256
    size: Size


class PackageDigestedV1(Event):
    """MD5 and SHA-512 of verified bytes are known; these still have the SHA-256 by which they are kept."""

    type: ClassVar[str] = "package.digested.v1"
    source: ClassVar[str] = "hashing"
    package_id: Id
    sha256: Sha256
    md5: Md5
    sha512: Sha512
    seconds: Annotated[float, Field(ge=0)]
    """Wall time of the digest pass."""


class PackageQuarantinedV1(Event):
    """A file was refused and put aside with a note; nothing was deleted."""

    type: ClassVar[str] = "package.quarantined.v1"
    source: ClassVar[str] = "storage"
    package_id: Id
    name: str
    code: str
    reason: str
    tags: PackageTags = None
    """The staging tags that it has; null if an earlier version said this."""


class TransferSuspectV1(Event):
    """An alarm: different peers gave the same wrong chunk, so the manifest is suspect and the transfer stopped."""

    type: ClassVar[str] = "transfer.suspect.v1"
    source: ClassVar[str] = "replication"
    transfer_id: Id
    package_id: Id
    chunk: Size


TransferChange = Literal["paused", "resumed", "cancelled", "prioritised"]


class TransferChangedV1(Event):
    """Somebody decided about a transfer to here: it waits, goes on, ends without its package, or has another turn."""

    type: ClassVar[str] = "transfer.changed.v1"
    source: ClassVar[str] = "replication"
    transfer_id: Id
    package_id: Id
    name: str
    change: TransferChange
    priority: Literal["low", "normal", "high"]
    """From now on, whatever was changed."""
    person: str


class PackageRetaggedV1(Event):
    """A package has other staging tags than before."""

    type: ClassVar[str] = "package.retagged.v1"
    source: ClassVar[str] = "storage"
    package_id: Id
    name: str
    tags: Annotated[tuple[Tag, ...], Field(max_length=MAX_TAGS)]
    author: str
    """Instance id of who wrote it."""
    person: str


class PackageDeletedV1(Event):
    """A signed tombstone was accepted; the bytes stay in the trash for a time."""

    type: ClassVar[str] = "package.deleted.v1"
    source: ClassVar[str] = "storage"
    package_id: Id
    name: str
    author: str
    person: str
    tags: PackageTags = None
    """The staging tags that it has; null if an earlier version said this."""


class PackageRestoredV1(Event):
    """A deleted package was brought back."""

    type: ClassVar[str] = "package.restored.v1"
    source: ClassVar[str] = "storage"
    package_id: Id
    name: str
    author: str
    person: str
    tags: PackageTags = None
    """The staging tags that it has; null if an earlier version said this."""


class PackageRaisedV1(Event):
    """A package was made current for its name, whatever came after it: a roll-back, or a roll-forward."""

    type: ClassVar[str] = "package.raised.v1"
    source: ClassVar[str] = "storage"
    package_id: Id
    name: str
    author: str
    person: str
    tags: PackageTags = None
    """The staging tags that it has; null if an earlier version said this."""


class PackageWithdrawnV1(Event):
    """A package that was published here is no longer for this instance: its tags, or what a peer lets us see, were narrowed."""

    type: ClassVar[str] = "package.withdrawn.v1"
    source: ClassVar[str] = "storage"
    package_id: Id
    name: str
    policy: str
    """What became of the bytes: keep, hide or remove."""
    tags: PackageTags = None
    """The staging tags that it has; null if an earlier version said this."""


class PromotionRequestedV1(Event):
    """A package is to be promoted: at a time, or once a second person approved."""

    type: ClassVar[str] = "promotion.requested.v1"
    source: ClassVar[str] = "storage"
    promotion_id: Id
    package_id: Id
    name: str
    stage: Tag
    person: str
    state: str


class PromotionEndedV1(Event):
    """A promotion was done, or will not be."""

    type: ClassVar[str] = "promotion.ended.v1"
    source: ClassVar[str] = "storage"
    promotion_id: Id
    package_id: Id
    name: str
    stage: Tag
    person: str
    state: str
    reason: str | None = None


class MessageDeadLetteredV1(Event):
    """A message could not be handled and waits among the dead letters. Made by `shared.runtime.bus`, of any service."""

    type: ClassVar[str] = "message.dead_lettered.v1"
    source: ClassVar[str] = "bus"
    queue: str
    code: str
    reason: str
    event_type: str | None = None
