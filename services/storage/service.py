"""The storage service: table of contents."""

from __future__ import annotations

from typing import Any

from services.storage.config import StorageSettings
from services.storage.wiring import build
from shared.contracts.events import PackageHashedV1, PackageHashProgressedV1, PackageRejectedV1, PackageVerifiedV1
from shared.runtime.bus.answers import answers
from shared.runtime.bus.handles import handles
from shared.runtime.services import Hosted, Wired, every


class StorageService:
    """What and where."""

    name = "storage"
    wired = Wired(build)

    @handles(PackageHashProgressedV1)
    def on_hash_progressed(self, event: PackageHashProgressedV1) -> None:
        """For people who watch."""
        self.wired.uploads.note_progress(event)

    @handles(PackageHashedV1)
    def on_package_hashed(self, event: PackageHashedV1) -> None:
        """Step 3 of the seed follows from here."""
        self.wired.uploads.take_digests(event)

    @handles(PackageVerifiedV1)
    def on_package_verified(self, event: PackageVerifiedV1) -> None:
        """Step 7 of the seed: into the public folder."""
        self.wired.packages.publish_verified(event)

    @handles(PackageRejectedV1)
    def on_package_rejected(self, event: PackageRejectedV1) -> None:
        """Refused: put aside."""
        self.wired.packages.quarantine_rejected(event)

    @every
    def sweep(self) -> None:
        """Whatever was lost is found here."""
        self.wired.sweep()

    @answers
    def begin_upload(self, name: str, size: int | None, uploaded_by: str) -> Any:
        """An upload id."""
        return self.wired.uploads.begin(name, size, uploaded_by)

    @answers
    def finish_upload(self, upload_id: str, size: int, sha256: str | None) -> Any:
        """The upload, received."""
        return self.wired.uploads.finish(upload_id, size, sha256)

    @answers
    def abort_upload(self, upload_id: str, reason: str) -> Any:
        """Nothing left behind."""
        return self.wired.uploads.abort(upload_id, reason)

    @answers
    def show_upload(self, upload_id: str) -> Any:
        """Where an upload is."""
        return self.wired.uploads.show(upload_id)

    @answers
    def list_packages(self, after: str | None, limit: int) -> Any:
        """A page of the catalogue."""
        return self.wired.questions.list_packages(after, limit)

    @answers
    def show_package(self, reference: str) -> Any:
        """One package."""
        return self.wired.questions.show_package(reference)

    @answers
    def locate_public(self, name: str) -> Any:
        """What clients get under a name."""
        return self.wired.questions.locate_public(name)

    @answers
    def locate_blob(self, package_id: str) -> Any:
        """Digest and size of bytes that are here."""
        return self.wired.questions.locate_blob(package_id)

    @answers
    def read_manifest(self, package_id: str) -> Any:
        """The signed envelope, verbatim."""
        return self.wired.packages.manifest(package_id)

    @answers
    def read_changes(self, epoch: str | None, since: int, limit: int) -> Any:
        """A page of the change feed."""
        return self.wired.questions.changes(epoch, since, limit)

    @answers
    def feed_position(self) -> Any:
        """Where the change feed stands."""
        return self.wired.questions.feed_position()

    @answers
    def offer_manifest(self, envelope: str, peer_id: str) -> Any:
        """A peer has this; do we want it?"""
        return self.wired.packages.offer(envelope, peer_id)

    @answers
    def give_up_package(self, package_id: str, code: str, reason: str) -> Any:
        """Replication cannot get this: the manifest is suspect."""
        return self.wired.packages.give_up(package_id, code, reason)

    @answers
    def figures(self) -> Any:
        """Counts for metrics and status."""
        return self.wired.questions.figures()


HOSTED = Hosted(StorageService, StorageSettings)
