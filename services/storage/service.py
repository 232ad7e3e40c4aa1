"""The storage service: table of contents."""

from __future__ import annotations

from typing import Any

from services.storage.config import StorageSettings
from services.storage.wiring import build
from shared.contracts.events import (
    PackageDigestedV1,
    PackageHashedV1,
    PackageHashProgressedV1,
    PackageRejectedV1,
    PackageVerifiedV1,
)
from shared.runtime.bus.answers import answers
from shared.runtime.bus.handles import handles
from shared.runtime.services import Hosted, InEffect, Wired, every


class StorageService:
    """What and where."""

    name = "storage"
    wired = Wired(build)
    in_effect = InEffect()

    @handles(PackageHashProgressedV1)
    def on_hash_progressed(self, event: PackageHashProgressedV1) -> None:
        """For people who watch."""
        self.wired.do.uploads.note_progress(event)

    @handles(PackageHashedV1)
    def on_package_hashed(self, event: PackageHashedV1) -> None:
        """Step 3 of the seed follows from here."""
        self.wired.do.uploads.take_digests(event)

    @handles(PackageVerifiedV1)
    def on_package_verified(self, event: PackageVerifiedV1) -> None:
        """Step 7 of the seed: into the public folder."""
        self.wired.do.packages.publish_verified(event)

    @handles(PackageRejectedV1)
    def on_package_rejected(self, event: PackageRejectedV1) -> None:
        """Refused: put aside."""
        self.wired.do.packages.quarantine_rejected(event)

    @handles(PackageDigestedV1)
    def on_package_digested(self, event: PackageDigestedV1) -> None:
        """Kept, so that they are computed once."""
        self.wired.further.keep(event)

    @every
    def sweep(self) -> None:
        """Whatever was lost is found here."""
        self.wired.sweep()

    @answers
    def begin_upload(self, name: str, size: int | None, uploaded_by: str, tags: list[str], within: list[str] | None) -> Any:
        """An upload id."""
        return self.wired.do.uploads.begin(name, size, uploaded_by, tags, within)

    @answers
    def finish_upload(self, upload_id: str, size: int, sha256: str | None) -> Any:
        """The upload, received."""
        return self.wired.do.uploads.finish(upload_id, size, sha256)

    @answers
    def abort_upload(self, upload_id: str, reason: str) -> Any:
        """Nothing left behind."""
        return self.wired.do.uploads.abort(upload_id, reason)

    @answers
    def show_upload(self, upload_id: str) -> Any:
        """Where an upload is."""
        return self.wired.do.uploads.show(upload_id)

    @answers
    def list_uploads(self, after: str | None, limit: int, states: list[str] | None = None, name: str | None = None) -> Any:
        """A page of uploads."""
        return self.wired.do.resuming.listed(after, limit, states or (), name)

    @answers
    def begin_resumable(  # noqa: PLR0913, PLR0917 - the words of the RPC table
        self, name: str, size: int, uploaded_by: str, tags: list[str], sha256: str | None, metadata: str, within: list[str] | None
    ) -> Any:
        """An upload that takes its bytes in several requests."""
        return self.wired.do.resuming.begin(name, size, uploaded_by, tags, sha256, metadata, within)

    @answers
    def read_offset(self, upload_id: str, person: str, of_others: bool) -> Any:  # noqa: FBT001 - as above
        """Where it stands."""
        return self.wired.do.resuming.offset(upload_id, person, of_others=of_others)

    @answers
    def claim_upload(self, upload_id: str, person: str, offset: int, of_others: bool) -> Any:  # noqa: FBT001 - as above
        """A writer goes on with it."""
        return self.wired.do.resuming.claim(upload_id, person, offset, of_others=of_others)

    @answers
    def advance_upload(self, upload_id: str, fence: int, offset: int) -> Any:
        """More of it is on the disk."""
        return self.wired.do.resuming.advance(upload_id, fence, offset)

    @answers
    def cancel_upload(self, upload_id: str, person: str, of_others: bool) -> Any:  # noqa: FBT001 - as above
        """Nothing left behind."""
        return self.wired.do.resuming.cancel(upload_id, person, of_others=of_others)

    @answers
    def list_packages(self, after: str | None, limit: int, filters: dict[str, Any] | None = None, sort: str | None = None) -> Any:
        """A page of the catalogue."""
        return self.wired.do.questions.list_packages(after, limit, filters, sort)

    @answers
    def show_package(self, reference: str) -> Any:
        """One package."""
        return self.wired.do.questions.show_package(reference)

    @answers
    def locate_public(self, name: str) -> Any:
        """What clients get under a name."""
        return self.wired.do.questions.locate_public(name)

    @answers
    def locate_digest(self, sha256: str) -> Any:
        """What clients get by a digest."""
        return self.wired.do.questions.locate_digest(sha256)

    @answers
    def further_digests(self, package_id: str) -> Any:
        """MD5 and SHA-512, or that they are not known yet."""
        return self.wired.further.digests(package_id)

    @answers
    def locate_blob(self, package_id: str, tags: list[str] | None) -> Any:
        """Digest and size of bytes that are here."""
        return self.wired.do.questions.locate_blob(package_id, tags)

    @answers
    def read_manifest(self, package_id: str, tags: list[str] | None) -> Any:
        """The signed envelope, verbatim."""
        return self.wired.do.packages.manifest(package_id, tags)

    @answers
    def retag_package(
        self, reference: str, tags: list[str], person: str, within: list[str] | None, expected: list[str] | None = None
    ) -> Any:
        """Other staging tags."""
        return self.wired.do.stewards.retag(reference, tags, person, within, expected)

    @answers
    def delete_package(self, reference: str, person: str, within: list[str] | None, expected: list[str] | None = None) -> Any:
        """A tombstone."""
        return self.wired.do.stewards.delete(reference, person, within, expected)

    @answers
    def undelete_package(self, reference: str, person: str, within: list[str] | None, expected: list[str] | None = None) -> Any:
        """Out of the trash."""
        return self.wired.do.stewards.undelete(reference, person, within, expected)

    @answers
    def raise_package(self, reference: str, person: str, within: list[str] | None, expected: list[str] | None = None) -> Any:
        """Current for its name again."""
        return self.wired.do.stewards.raise_(reference, person, within, expected)

    @answers
    def list_history(self, name: str) -> Any:
        """All packages of a name."""
        return self.wired.do.stewards.history(name)

    @answers
    def promote_package(self, reference: str, stage: str | None, at: str | None, person: str, within: list[str] | None) -> Any:
        """To the next stage."""
        return self.wired.do.promotions.promote(reference, stage, at, person, within)

    @answers
    def list_promotions(self, limit: int, after: str | None = None, states: list[str] | None = None) -> Any:
        """A page of promotions, newest first."""
        return self.wired.do.promotions.listed(limit, after, states or ())

    @answers
    def show_promotion(self, promotion_id: str) -> Any:
        """One promotion."""
        return self.wired.do.promotions.show(promotion_id)

    @answers
    def approve_promotion(self, promotion_id: str, person: str, within: list[str] | None, expected: list[str] | None = None) -> Any:
        """A second person agrees."""
        return self.wired.do.promotions.approve(promotion_id, person, within, expected)

    @answers
    def reject_promotion(
        self, promotion_id: str, person: str, reason: str, within: list[str] | None, expected: list[str] | None = None
    ) -> Any:
        """It is not to be."""
        return self.wired.do.promotions.reject(promotion_id, person, reason, within, expected)

    @answers
    def read_changes(self, epoch: str | None, since: int, limit: int, view: dict[str, Any] | None) -> Any:
        """A page of the change feed."""
        return self.wired.do.feed.changes(epoch, since, limit, view)

    @answers
    def feed_position(self) -> Any:
        """Where the change feed stands."""
        return self.wired.do.feed.position()

    @answers
    def compare_records(self, items: list[dict[str, Any]]) -> Any:
        """What of a peer's feed is news."""
        return self.wired.do.feed.compare(items)

    @answers
    def read_records(self, packages: list[str], charters: list[str], rotations: list[str], view: dict[str, Any] | None) -> Any:
        """Signed records, verbatim."""
        return self.wired.do.feed.records(packages, charters, rotations, view)

    @answers
    def offer_records(self, packages: list[dict[str, Any]], charters: list[str], rotations: list[str], peer_id: str) -> Any:
        """What a peer relays."""
        return self.wired.do.records.offer(packages, charters, rotations, peer_id)

    @answers
    def offer_manifest(self, envelope: str, peer_id: str) -> Any:
        """What a peer of the first protocol version relays."""
        return self.wired.do.records.offer_manifest(envelope, peer_id)

    @answers
    def withdraw_packages(self, package_ids: list[str], peer_id: str) -> Any:
        """No longer for us."""
        return self.wired.do.packages.withdraw(package_ids, peer_id)

    @answers
    def ring_wanted(self, package_ids: list[str]) -> Any:
        """A source has these now."""
        return self.wired.do.packages.ring_wanted(package_ids)

    @answers
    def read_holdings(self, package_ids: list[str], tags: list[str] | None) -> Any:
        """What is here of these."""
        return self.wired.do.feed.holdings(package_ids, tags)

    @answers
    def outline_packages(self, after: str | None, limit: int) -> Any:
        """All packages in brief."""
        return self.wired.do.feed.outline(after, limit)

    @answers
    def digest_buckets(self, shown: list[str], seen: list[str]) -> Any:
        """For the drift check."""
        return self.wired.do.feed.digest_buckets(shown, seen)

    @answers
    def list_bucket(self, bucket: int, shown: list[str], seen: list[str]) -> Any:
        """What is behind one digest."""
        return self.wired.do.feed.list_bucket(bucket, shown, seen)

    @answers
    def declare_peers(self, stewards: list[dict[str, Any]], revoked: list[dict[str, Any]], registered: list[dict[str, Any]]) -> Any:
        """Whom we trust, as replication has it."""
        return self.wired.do.relations.declare_peers(stewards, revoked, registered)

    @answers
    def list_instances(self) -> Any:
        """Whose charters are known."""
        return self.wired.do.relations.instances()

    @answers
    def read_former_keys(self) -> Any:
        """How we came by our present key."""
        return self.wired.do.relations.former_keys()

    @answers
    def revoked_among(self, instance_ids: list[str]) -> Any:
        """Whom our stewards do not trust."""
        return self.wired.do.relations.revoked_among(instance_ids)

    @answers
    def rotate_key(self, person: str) -> Any:
        """Another key, vouched for by this one."""
        return self.wired.do.relations.rotate(person)

    @answers
    def give_up_package(self, package_id: str, code: str, reason: str) -> Any:
        """Replication cannot get this: the manifest is suspect."""
        return self.wired.do.packages.give_up(package_id, code, reason)

    @answers
    def list_alarms(self) -> Any:
        """What is the matter."""
        return self.wired.watching.list_alarms()

    @answers
    def list_settings(self) -> Any:
        """What this process goes by, and where it came from."""
        return self.in_effect()

    @answers
    def figures(self) -> Any:
        """Counts for metrics and status."""
        return self.wired.figures()


HOSTED = Hosted(StorageService, StorageSettings)
