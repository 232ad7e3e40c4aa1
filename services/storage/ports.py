"""What the storage handlers need from outside."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from services.storage.domain.facts import KeptMeta
from services.storage.domain.listing import Listing, Newest
from services.storage.domain.package import Package
from services.storage.domain.promotion import Promotion
from services.storage.domain.upload import Upload
from shared.contracts.events import Event, FileDigests, PackageDigestsWantedV1
from shared.core.charter import Census, Charter, Rotation
from shared.core.clock import Stamp
from shared.core.identity import InstanceId
from shared.core.manifest import Manifest
from shared.core.meta import MetaRecord
from shared.core.staging import Tags
from shared.core.trust import Trust


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One row of the change feed. `tags`, `ever`, `offered` and `refused` are those of a package."""

    seq: int
    kind: str
    record_id: str
    revision: int
    digest: str
    stamp: str | None = None
    meta: str | None = None
    tags: Tags = frozenset()
    ever: Tags = frozenset()
    offered: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A page of the change feed, unfiltered."""

    epoch: str
    rows: tuple[FeedRow, ...]
    next: int
    """The cursor after this page; never beyond the feed's highest number, so that who was told more before a restore notices."""
    more: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a package, in brief."""

    package_id: str
    manifest_digest: str
    meta_digest: str
    tags: Tags
    gone: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True)
class KeptCharter:
    """A charter with the signed bytes that prove it."""

    charter: Charter
    envelope: bytes

    @property
    def order(self) -> tuple[str, str]:
        """Of two charters of one instance the greater counts: the later, and of two with one stamp the same one everywhere."""
        return str(self.charter.stamp), hashlib.sha256(self.envelope).hexdigest()


@dataclass(frozen=True, slots=True)
class KeptRotation:
    """A rotation with the signed bytes that prove it."""

    rotation: Rotation
    envelope: bytes


class Changes(Protocol):
    """One transaction on the catalogue, alone among all writers. What it dispatches is committed with what it saves."""

    def upload(self, upload_id: str) -> Upload | None:
        """An upload."""

    def save_upload(self, upload: Upload) -> None:
        """Insert or replace an upload."""

    def expect(self, package_ids: Collection[str], names: Collection[str]) -> None:
        """Say about which packages and names will be asked one by one, so that it can be made cheaper; a few hundred at most."""

    def package(self, package_id: str) -> Package | None:
        """A package."""

    def named(self, name: str) -> Sequence[Package]:
        """All packages of a name."""

    def save_package(self, package: Package) -> None:
        """Insert or replace a package."""

    def holds_blob(self, sha256: str, but_for: str) -> bool:
        """True if these bytes are needed by others than package `but_for`.

        That is: another one has them here, or wants them and may just be getting them, or an upload of them is being completed.
        """

    def meta_of(self, package_id: str) -> Sequence[KeptMeta]:
        """All that was said about a package."""

    def replace_meta(self, package_id: str, kept: Collection[KeptMeta]) -> None:
        """What is kept of it from now on."""

    def trust(self) -> Trust:
        """All charters and rotations."""

    def charter(self, instance_id: InstanceId) -> KeptCharter | None:
        """The latest charter of an instance."""

    def save_charter(self, kept: KeptCharter) -> None:
        """Insert or replace. To be stamped too: by that, other processes notice that trust changed."""

    def rotation(self, old: InstanceId) -> KeptRotation | None:
        """The rotation away from a key."""

    def save_rotation(self, kept: KeptRotation) -> None:
        """Insert or replace. To be stamped too."""

    def flag(self, kind: str, about: str, value: str | None) -> bool:
        """Remember a value (an alarm that was raised, say); None forgets it. True if that is news."""

    def flag_value(self, kind: str, about: str) -> str:
        """What is remembered; empty if nothing is."""

    def promotion(self, promotion_id: str) -> Promotion | None:
        """A promotion."""

    def save_promotion(self, promotion: Promotion) -> None:
        """Insert or replace."""

    def stamp(self, row: FeedRow) -> None:
        """Give a record the next number of the change feed; the row's own number is of no meaning."""

    def begin_epoch(self, epoch: str) -> None:
        """Number the change feed anew, under another name."""

    def rung_wanted(self, since: dt.datetime) -> int:
        """How many wanted packages replication was told of since then."""

    def count_hashed(self, digests: FileDigests) -> None:
        """Add a digest pass to the totals."""

    def dispatch(self, event: Event) -> None:
        """Say so when the transaction is committed."""


class Catalogue(Protocol):
    """All that storage knows."""

    def changing(self) -> AbstractContextManager[Changes]:
        """A transaction; it commits at the end and rolls back on an error."""

    def upload(self, upload_id: str) -> Upload | None:
        """An upload."""

    def package(self, package_id: str) -> Package | None:
        """A package by id."""

    def packages(self, package_ids: Collection[str]) -> Sequence[Package]:
        """Those of these that are known."""

    def by_name(self, name: str) -> Package | None:
        """The package of this name: the published one if there is one, else the one of greatest precedence that is not refused."""

    def named(self, name: str) -> Sequence[Package]:
        """All packages of a name."""

    def with_sha256(self, sha256: str) -> Package | None:
        """Any package whose verified bytes are here and have this digest."""

    def uploads(self, asked: Newest, after: str | None, limit: int) -> tuple[Sequence[Upload], str | None]:
        """Uploads, newest first, and the cursor of the next page; `hashed` counts as a state of its own.

        Raises:
            InvalidInput: CURSOR_INVALID.
        """

    def offered_with_sha256(self, sha256: str) -> Package | None:
        """Of the published and superseded packages with this digest whose verified bytes are here, one: a published one before others."""

    def page(self, listing: Listing, after: str | None, limit: int) -> tuple[Sequence[Package], str | None]:
        """A page of a list, and the cursor of the next one.

        Whatever comes, goes or changes between two pages: a package that stays where it is in the list is on exactly one of them.

        Raises:
            InvalidInput: CURSOR_INVALID, if the cursor is of another list, too.
        """

    def outline(self, after: str | None, limit: int) -> Sequence[Package]:
        """Packages by id, after one."""

    def changes(self, after: int, limit: int) -> FeedPage:
        """The change feed after a number."""

    def feed_position(self) -> tuple[str, int]:
        """Epoch and highest number of the change feed."""

    def known(self, package_ids: Collection[str]) -> Sequence[Known]:
        """Those of these packages that are known, in brief."""

    def known_from(self, prefix: str) -> Iterator[Known]:
        """All packages whose id begins so, in brief, by id."""

    def meta(self, package_ids: Collection[str]) -> Mapping[str, Sequence[KeptMeta]]:
        """What was said about these packages."""

    def meta_ahead(self, author: InstanceId, after: Stamp) -> Sequence[KeptMeta]:
        """What an author wrote with a later stamp than this."""

    def manifests_ahead(self, origin: InstanceId, after: dt.datetime) -> Sequence[Package]:
        """Packages of an origin that were made after this."""

    def origins(self) -> Collection[InstanceId]:
        """Whoever made a package that is known."""

    def to_reconsider(self, origins: Collection[InstanceId]) -> Sequence[str]:
        """Ids of all packages about which somebody wrote, that are refused, or that one of these made."""

    def charters(self) -> Sequence[KeptCharter]:
        """The latest of each instance."""

    def rotations(self) -> Sequence[KeptRotation]:
        """All of them."""

    def census(self, author: InstanceId, until: Stamp) -> Census:
        """What is here of an author's records about packages without tags, as far as they were made by then."""

    def promotion(self, promotion_id: str) -> Promotion | None:
        """A promotion."""

    def promotions(self, asked: Newest, after: str | None, limit: int) -> tuple[Sequence[Promotion], str | None]:
        """Promotions, newest first, and the cursor of the next page.

        Raises:
            InvalidInput: CURSOR_INVALID.
        """

    def due_promotions(self, now: dt.datetime) -> Sequence[Promotion]:
        """Scheduled ones whose time has come."""

    def due_removals(self, now: dt.datetime, limit: int) -> Sequence[Package]:
        """Packages whose bytes are no longer to be kept."""

    def with_bytes(self, after: str | None, limit: int) -> Sequence[Package]:
        """Packages that are said to have their bytes here, by id, after one."""

    def stale_uploads(self, before: dt.datetime, now: dt.datetime, limit: int) -> Sequence[Upload]:
        """Uploads that have not ended and have not changed since; but for those that may be resumed and have not expired by `now`."""

    def wanted_to_ring(self, before: dt.datetime, limit: int) -> Sequence[Package]:
        """Wanted packages of which replication was not told since then, those that changed least recently first.

        Told more than two hours after `before` means told by a clock that was ahead: that does not count.
        """

    def figures(self) -> dict[str, float]:
        """Counts by state, bytes, hashing totals, events that wait for the broker."""


class People(Protocol):
    """Who may do what, as directory knows it."""

    def why_not(self, person: str, right: str, stage: str) -> str | None:
        """Why somebody has not this right for this stage now, in one sentence; None if they have it.

        Raises:
            ServiceUnavailable: if directory does not answer.
        """


class Signer(Protocol):
    """The instance's key, and how to check what others signed. `open_…` raise RecordInvalid or ManifestInvalid."""

    @property
    def identity(self) -> tuple[str, bytes]:
        """Instance id and raw public key."""

    def sign(self, manifest: Manifest) -> bytes:
        """The envelope of a manifest."""

    def sign_meta(self, record: MetaRecord) -> bytes:
        """The envelope of a meta record."""

    def sign_charter(self, charter: Charter) -> bytes:
        """The envelope of a charter."""

    def prepare_rotation(self, stamp: Stamp) -> KeptRotation:
        """Make the next key, put it aside, and sign the rotation to it."""

    def complete_rotation(self, rotation: Rotation) -> None:
        """Use the key that was put aside. Done twice is done once."""

    def open(self, envelope: bytes) -> Manifest:
        """The manifest in an envelope that its origin signed."""

    def open_meta(self, envelope: bytes) -> MetaRecord:
        """The meta record in an envelope that its author signed."""

    def open_charter(self, envelope: bytes) -> Charter:
        """The charter in an envelope that its instance signed."""

    def open_rotation(self, envelope: bytes) -> Rotation:
        """The rotation in an envelope that both keys signed."""


class ToldFile(Protocol):
    """A file beside the database that remembers what peers were told of the change feed."""

    def read(self) -> tuple[str, int] | None:
        """Epoch and highest number that anybody was told; None if nobody was told anything."""

    def tell(self, epoch: str, seq: int) -> None:
        """Remember it, on the disk, before it is told."""


class RecordFiles(Protocol):
    """The signed records of each package in a file beside the database: what a database that was lost is made from."""

    def keep(self, package_id: str, document: bytes) -> None:
        """Write or replace the file of a package."""

    def all(self) -> Iterator[bytes]:
        """Every document."""


@dataclass(frozen=True, slots=True)
class Further:
    """Digests that the mesh does not need, of verified bytes."""

    md5: str
    sha512: str


class DigestsKept(Protocol):
    """Further digests, by the SHA-256 of the bytes."""

    def find(self, sha256: str) -> Further | None:
        """What is known of these bytes."""

    def ask(self, wanted: PackageDigestsWantedV1, now: dt.datetime, not_since: dt.datetime) -> bool:
        """Have them computed, unless that was asked for after `not_since`; True if it is asked for now."""

    def keep(self, sha256: str, further: Further, now: dt.datetime) -> None:
        """Known from now on. Done twice is done once."""


class Clock(Protocol):
    """The time."""

    def __call__(self) -> dt.datetime:
        """Now, in UTC."""
