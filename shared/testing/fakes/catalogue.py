"""Storage's catalogue in memory."""

from __future__ import annotations

import copy
import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any

from services.storage.domain.facts import KeptMeta
from services.storage.domain.listing import Listing, Newest
from services.storage.domain.package import Package, PackageState
from services.storage.domain.promotion import Promotion, PromotionState
from services.storage.domain.upload import Upload, UploadState
from services.storage.ports import FeedPage, FeedRow, KeptCharter, KeptRotation, Known
from shared.contracts.events import Event, FileDigests
from shared.core.charter import Census
from shared.core.clock import Stamp
from shared.core.identity import InstanceId
from shared.core.meta import digest_of
from shared.core.times import to_text
from shared.core.trust import Trust

_OPEN = (UploadState.RECEIVING, UploadState.RECEIVED, UploadState.HASHED)


@dataclass
class FakeChanges:
    """`Changes` on a copy, which becomes the truth when the transaction ends well."""

    epoch: str = "first-epoch"
    seq: int = 0
    uploads: dict[str, Upload] = field(default_factory=dict)
    packages: dict[str, Package] = field(default_factory=dict)
    meta: dict[str, tuple[KeptMeta, ...]] = field(default_factory=dict)
    charters: dict[InstanceId, KeptCharter] = field(default_factory=dict)
    rotations: dict[InstanceId, KeptRotation] = field(default_factory=dict)
    flags: dict[tuple[str, str], str] = field(default_factory=dict)
    promotions: dict[str, Promotion] = field(default_factory=dict)
    feed: dict[tuple[str, str], FeedRow] = field(default_factory=dict)
    hashed: list[FileDigests] = field(default_factory=list)
    dispatched: list[Event] = field(default_factory=list)

    def upload(self, upload_id: str) -> Upload | None:
        """An upload."""
        return self.uploads.get(upload_id)

    def save_upload(self, upload: Upload) -> None:
        """Insert or replace an upload."""
        self.uploads[upload.upload_id] = upload

    def expect(self, package_ids: Collection[str], names: Collection[str]) -> None:
        """All are at hand anyway."""

    def package(self, package_id: str) -> Package | None:
        """A package."""
        return self.packages.get(package_id)

    def named(self, name: str) -> Sequence[Package]:
        """All packages of a name."""
        return [one for one in self.packages.values() if one.name == name]

    def save_package(self, package: Package) -> None:
        """Insert or replace a package."""
        self.packages[package.package_id] = package

    def holds_blob(self, sha256: str, but_for: str) -> bool:
        """True if another package has or wants these bytes, or an upload of them is being completed."""
        others = (one for one in self.packages.values() if one.sha256.hex == sha256 and one.package_id != but_for)
        hashed = (one.digests for one in self.uploads.values() if one.state is UploadState.HASHED)
        needed = any(one.bytes_here or one.state is PackageState.WANTED for one in others)
        return needed or any(digests is not None and digests.sha256 == sha256 for digests in hashed)

    def meta_of(self, package_id: str) -> Sequence[KeptMeta]:
        """All that was said about a package."""
        return self.meta.get(package_id, ())

    def replace_meta(self, package_id: str, kept: Collection[KeptMeta]) -> None:
        """What is kept of it from now on."""
        self.meta[package_id] = tuple(kept)

    def trust(self) -> Trust:
        """All charters and rotations."""
        return Trust.of((one.charter for one in self.charters.values()), (one.rotation for one in self.rotations.values()))

    def charter(self, instance_id: InstanceId) -> KeptCharter | None:
        """The latest charter of an instance."""
        return self.charters.get(instance_id)

    def save_charter(self, kept: KeptCharter) -> None:
        """Insert or replace."""
        self.charters[kept.charter.instance_id] = kept

    def rotation(self, old: InstanceId) -> KeptRotation | None:
        """The rotation away from a key."""
        return self.rotations.get(old)

    def save_rotation(self, kept: KeptRotation) -> None:
        """Insert or replace."""
        self.rotations[kept.rotation.old] = kept

    def flag(self, kind: str, about: str, value: str | None) -> bool:
        """Remember a value; True if that is news."""
        if self.flags.get((kind, about)) == value:
            return False
        self.flags.pop((kind, about), None)
        if value is not None:
            self.flags[kind, about] = value
        return True

    def flag_value(self, kind: str, about: str) -> str:
        """What is remembered; empty if nothing is."""
        return self.flags.get((kind, about), "")

    def promotion(self, promotion_id: str) -> Promotion | None:
        """A promotion."""
        return self.promotions.get(promotion_id)

    def save_promotion(self, promotion: Promotion) -> None:
        """Insert or replace."""
        self.promotions[promotion.promotion_id] = promotion

    def stamp(self, row: FeedRow) -> None:
        """The next number of the change feed."""
        self.seq += 1
        self.feed[row.kind, row.record_id] = replace(row, seq=self.seq)

    def begin_epoch(self, epoch: str) -> None:
        """Name the numbering anew."""
        self.epoch = epoch

    def rung_wanted(self, since: dt.datetime) -> int:
        """How many wanted packages replication was told of since then."""
        return sum(one.state is PackageState.WANTED and one.rung is not None and one.rung >= since for one in self.packages.values())

    def count_hashed(self, digests: FileDigests) -> None:
        """Add a digest pass to the totals."""
        self.hashed.append(digests)

    def dispatch(self, event: Event) -> None:
        """Remember what was said."""
        self.dispatched.append(event)


class FakeCatalogue:
    """`Catalogue` in memory."""

    def __init__(self) -> None:
        """Empty."""
        self._truth = FakeChanges()

    @property
    def dispatched(self) -> list[Event]:
        """What was said by transactions that ended well, in order."""
        return self._truth.dispatched

    def snapshot(self) -> FakeChanges:
        """Everything as it is now, to be restored later."""
        return _copied(self._truth)

    def restore(self, snapshot: FakeChanges) -> None:
        """Everything as it was then, as from a backup."""
        self._truth = _copied(snapshot)

    @contextmanager
    def changing(self) -> Iterator[FakeChanges]:
        """A transaction; an error leaves everything as it was."""
        copied = _copied(self._truth)
        yield copied
        self._truth = copied

    def upload(self, upload_id: str) -> Upload | None:
        """An upload."""
        return self._truth.upload(upload_id)

    def package(self, package_id: str) -> Package | None:
        """A package by id."""
        return self._truth.package(package_id)

    def packages(self, package_ids: Collection[str]) -> Sequence[Package]:
        """Those of these that are known."""
        return [found for one in package_ids if (found := self._truth.package(one))]

    def by_name(self, name: str) -> Package | None:
        """The published package of this name, else the one of greatest precedence that is not refused."""
        return max(
            self.named(name), key=lambda one: (one.state is PackageState.PUBLISHED, not one.is_refused, one.precedence), default=None
        )

    def named(self, name: str) -> Sequence[Package]:
        """All packages of a name."""
        return self._truth.named(name)

    def with_sha256(self, sha256: str) -> Package | None:
        """Any package whose bytes are here and have this digest."""
        return next((one for one in self._truth.packages.values() if one.bytes_here and one.sha256.hex == sha256), None)

    def uploads(self, asked: Newest, after: str | None, limit: int) -> tuple[Sequence[Upload], str | None]:
        """Uploads, newest first."""
        found = {(to_text(one.created), one.upload_id): one for one in self._truth.uploads.values() if asked.has(one.state, one.name)}
        return _newest(found, asked, after, limit)

    def offered_with_sha256(self, sha256: str) -> Package | None:
        """A package with these bytes that can be had."""
        found = [one for one in self._truth.packages.values() if one.sha256.hex == sha256 and one.is_offered]
        return min(found, key=lambda one: (one.state.value, one.package_id), default=None)

    def page(self, listing: Listing, after: str | None, limit: int) -> tuple[Sequence[Package], str | None]:
        """A page of a list."""
        found = {listing.place_of(one): one for one in self._truth.packages.values() if listing.has(one)}
        behind = None if after is None else listing.place(after)
        places = [
            one for one in sorted(found, reverse=listing.falling) if behind is None or (one < behind if listing.falling else one > behind)
        ]
        return [found[one] for one in places[:limit]], listing.cursor(places[limit - 1]) if len(places) > limit else None

    def outline(self, after: str | None, limit: int) -> Sequence[Package]:
        """Packages by id, after one."""
        return [self._truth.packages[one] for one in sorted(self._truth.packages) if one > (after or "")][:limit]

    def changes(self, after: int, limit: int) -> FeedPage:
        """The change feed after a number."""
        found = sorted((row for row in self._truth.feed.values() if row.seq > after), key=lambda row: row.seq)
        rows = tuple(self._complete(row) for row in found[:limit])
        return FeedPage(self._truth.epoch, rows, rows[-1].seq if rows else min(after, self._truth.seq), len(found) > limit)

    def _complete(self, row: FeedRow) -> FeedRow:
        package = self._truth.packages.get(row.record_id) if row.kind == "package" else None
        if package is None:
            return row
        about = replace(row, meta=package.meta_digest, tags=package.tags, ever=package.ever)
        return replace(about, offered=package.is_offered, refused=package.is_refused)

    def feed_position(self) -> tuple[str, int]:
        """Epoch and highest number of the change feed."""
        return self._truth.epoch, self._truth.seq

    def known(self, package_ids: Collection[str]) -> Sequence[Known]:
        """Those of these packages that are known, in brief."""
        return [_brief(one) for one in self.packages(package_ids)]

    def known_from(self, prefix: str) -> Iterator[Known]:
        """All packages whose id begins so, in brief, by id."""
        return (_brief(self._truth.packages[one]) for one in sorted(self._truth.packages) if one.startswith(prefix))

    def meta(self, package_ids: Collection[str]) -> Mapping[str, Sequence[KeptMeta]]:
        """What was said about these packages."""
        return {one: self._truth.meta[one] for one in package_ids if one in self._truth.meta}

    def meta_ahead(self, author: InstanceId, after: Stamp) -> Sequence[KeptMeta]:
        """What an author wrote with a later stamp than this."""
        every = (one for kept in self._truth.meta.values() for one in kept)
        return [one for one in every if one.record.author == author and one.record.stamp > after]

    def manifests_ahead(self, origin: InstanceId, after: dt.datetime) -> Sequence[Package]:
        """Packages of an origin that were made after this."""
        return [one for one in self._truth.packages.values() if one.manifest.origin == origin and one.manifest.created > after]

    def origins(self) -> Collection[InstanceId]:
        """Whoever made a package that is known."""
        return {one.manifest.origin for one in self._truth.packages.values()}

    def to_reconsider(self, origins: Collection[InstanceId]) -> Sequence[str]:
        """Ids of all packages about which somebody wrote, that are refused, or that one of these made."""
        said = {one for one, kept in self._truth.meta.items() if kept}
        made = {one.package_id for one in self._truth.packages.values() if one.is_refused or one.manifest.origin in origins}
        return sorted(said | made)

    def charters(self) -> Sequence[KeptCharter]:
        """The latest of each instance."""
        return sorted(self._truth.charters.values(), key=lambda one: one.charter.instance_id.text)

    def rotations(self) -> Sequence[KeptRotation]:
        """All of them."""
        return sorted(self._truth.rotations.values(), key=lambda one: one.rotation.stamp)

    def census(self, author: InstanceId, until: Stamp) -> Census:
        """What is here of an author's records about packages without tags, as far as they were made by then."""
        untagged = [one for one in self._truth.packages.values() if not one.tags and not one.is_refused]
        made = [one.manifest_digest for one in untagged if one.manifest.origin == author and one.manifest.created <= until.time]
        kept = (record for one in untagged for record in self._truth.meta.get(one.package_id, ()))
        said = [one.digest for one in kept if one.record.author == author and one.record.stamp <= until]
        return Census(len(made) + len(said), digest_of([*made, *said]))

    def promotion(self, promotion_id: str) -> Promotion | None:
        """A promotion."""
        return self._truth.promotions.get(promotion_id)

    def promotions(self, asked: Newest, after: str | None, limit: int) -> tuple[Sequence[Promotion], str | None]:
        """Promotions, newest first."""
        every = self._truth.promotions.values()
        found = {(to_text(one.requested), one.promotion_id): one for one in every if asked.has(one.state, one.name)}
        return _newest(found, asked, after, limit)

    def due_promotions(self, now: dt.datetime) -> Sequence[Promotion]:
        """Scheduled ones whose time has come."""
        due = (one for one in self._truth.promotions.values() if one.state is PromotionState.SCHEDULED and one.due <= now)
        return sorted(due, key=lambda one: one.due)

    def due_removals(self, now: dt.datetime, limit: int) -> Sequence[Package]:
        """Packages whose bytes are no longer to be kept."""
        due = [(one.remove_after, one) for one in self._truth.packages.values() if one.remove_after and one.remove_after <= now]
        return [one for _, one in sorted(due, key=lambda pair: pair[0])][:limit]

    def with_bytes(self, after: str | None, limit: int) -> Sequence[Package]:
        """Packages that are said to have their bytes here, by id."""
        return [one for one in self.outline(after, len(self._truth.packages)) if one.bytes_here][:limit]

    def stale_uploads(self, before: dt.datetime, now: dt.datetime, limit: int) -> Sequence[Upload]:
        """Open uploads that have not changed since, oldest first; but for those that may still be resumed."""
        stale = [one for one in self._truth.uploads.values() if one.state in _OPEN and one.changed < before]
        due = (one for one in stale if one.state is not UploadState.RECEIVING or one.expires is None or one.has_expired(now))
        return sorted(due, key=lambda one: one.changed)[:limit]

    def wanted_to_ring(self, before: dt.datetime, limit: int) -> Sequence[Package]:
        """Wanted packages of which replication was not told since then, those that changed least recently first."""
        wanted = (one for one in self._truth.packages.values() if one.state is PackageState.WANTED)
        beyond = before + dt.timedelta(hours=2)
        waiting = (one for one in wanted if one.rung is None or not before <= one.rung <= beyond)
        return sorted(waiting, key=lambda one: one.changed)[:limit]

    def figures(self) -> dict[str, float]:
        """Counts by state and bytes here."""
        by_state = Counter(one.state for one in self._truth.packages.values())
        return {f"packages_{state.value}": by_state[state] for state in PackageState} | {
            "hashed_files": len(self._truth.hashed),
            "hashed_bytes": sum(one.size for one in self._truth.hashed),
            "hashed_seconds": sum(one.seconds for one in self._truth.hashed),
            "uploads_open": sum(one.state in _OPEN for one in self._truth.uploads.values()),
            "package_bytes": sum(one.manifest.size for one in self._truth.packages.values() if one.bytes_here),
            "feed_seq": self._truth.seq,
            "outbox_waiting": len(self._truth.dispatched),
        }


def _newest(found: Mapping[Any, Any], asked: Newest, after: str | None, limit: int) -> tuple[Sequence[Any], str | None]:
    behind = None if after is None else asked.place(after)
    places = [place for place in sorted(found, reverse=True) if behind is None or place < behind]
    return [found[place] for place in places[:limit]], asked.cursor(places[limit - 1]) if len(places) > limit else None


def _copied(truth: FakeChanges) -> FakeChanges:
    copied = copy.copy(truth)
    for one in fields(truth):
        setattr(copied, one.name, copy.copy(getattr(truth, one.name)))
    return copied


def _brief(package: Package) -> Known:
    return Known(package.package_id, package.manifest_digest, package.meta_digest, package.tags, package.gone, package.is_refused)
