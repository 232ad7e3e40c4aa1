"""Uploads: from the first byte at the door to a published package."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.storage.domain.facts import facts_of, horizon, moments
from services.storage.domain.narrowing import Within
from services.storage.domain.package import Package, PackageState, already_here, creation_time
from services.storage.domain.upload import Upload, UploadState
from services.storage.handlers.packages import Offload
from services.storage.handlers.settling import Settler
from services.storage.handlers.stewarding import record_document
from services.storage.ports import Catalogue, Changes, Clock, RecordFiles, Signer
from shared.contracts import events
from shared.contracts.events import FileDigests
from shared.core.clock import Stamp
from shared.core.digest import Digest
from shared.core.errors import Conflict, InsufficientSpace, InvalidInput, NotFound
from shared.core.identity import InstanceId
from shared.core.manifest import MAX_PACKAGE_BYTES, Manifest, mint_id, new_mint
from shared.core.names import PackageName
from shared.core.staging import Stages
from shared.runtime.bytestore.port import ByteStore
from shared.runtime.logging import bound, correlation_id, get_logger

log = get_logger(__name__)
_SWEPT_AT_ONCE = 50


@dataclass
class UploadHandlers:
    """Everything about uploads."""

    catalogue: Catalogue
    store: ByteStore
    signer: Signer
    clock: Clock
    settler: Settler
    files: RecordFiles
    offload: Offload
    stages: Stages
    approval_stages: frozenset[str]

    def begin(self, name: str, size: int | None, uploaded_by: str, tags: object = (), within: object = None) -> dict[str, Any]:
        """Take note of an upload before its first byte; `within` are the tags that this person may give it, if not all.

        Raises:
            InvalidInput: NAME_INVALID, SIZE_INVALID, TAG_INVALID, STAGE_UNKNOWN; TAGS_NEEDED, where stages need approval.
            Conflict: APPROVAL_NEEDED, if a stage is among the tags that a second person must approve.
            Forbidden: OUTSIDE_GRANT, also for an upload without tags where only some are allowed.
            InsufficientSpace: if it does not fit.
        """
        package_name, born_with = PackageName.parse(name), self.stages.check(tags)
        Within.read(within).check_package(born_with)
        if self.approval_stages and not born_with:
            raise InvalidInput("a package without tags would go everywhere, past the approval: name its first stage", "TAGS_NEEDED")
        guarded = sorted(born_with & self.approval_stages)
        if guarded:
            raise Conflict(
                f"{guarded[0]} needs the approval of a second person: upload it to an earlier stage, and promote it", "APPROVAL_NEEDED"
            )
        if size is not None and not 0 <= size <= MAX_PACKAGE_BYTES:
            raise InvalidInput(f"a package of {size} bytes cannot be kept", "SIZE_INVALID")
        if (size or 0) > self.store.free_bytes():
            raise InsufficientSpace(
                f"no room for {size} bytes: {self.store.free_bytes()} are free above the floor; make space on the data disk"
            )
        now = self.clock()
        upload = Upload(str(uuid.uuid4()), package_name.text, size, uploaded_by, correlation_id(), now, now, tags=born_with)
        with self.catalogue.changing() as changes:
            changes.save_upload(upload)
        return {"upload_id": upload.upload_id, "name": upload.name}

    def finish(self, upload_id: str, size: int, sha256: str | None) -> dict[str, Any]:
        """All bytes are on the disk and synced: have them hashed.

        Raises:
            NotFound: if there is no such upload.
            Conflict: if it has ended.
        """
        with self.catalogue.changing() as changes:
            upload = replace(_existing(changes, upload_id).finished(size, sha256), changed=self.clock())
            changes.save_upload(upload)
            changes.dispatch(_received(upload))
        log.info("upload_received", upload_id=upload_id, name=upload.name, size=size)
        return describe_upload(upload)

    def abort(self, upload_id: str, reason: str) -> None:
        """Give an upload up and leave nothing of it behind. One that has ended is left alone."""
        with self.catalogue.changing() as changes:
            upload = changes.upload(upload_id)
            if upload is None or upload.state is not UploadState.RECEIVING:
                return
            changes.save_upload(upload.ended(UploadState.ABORTED, code="UPLOAD_ABORTED", reason=reason[:300]))
        self.store.drop_incoming(upload_id)
        log.info("upload_aborted", upload_id=upload_id, reason=reason)

    def show(self, upload_id: str) -> dict[str, Any]:
        """Where an upload is.

        Raises:
            NotFound: if there is no such upload.
        """
        upload = self.catalogue.upload(upload_id)
        if upload is None:
            raise NotFound(f"there is no upload {upload_id[:40]!r}")
        return describe_upload(upload)

    def note_progress(self, event: events.PackageHashProgressedV1) -> None:
        """Remember how far hashing is."""
        with self.catalogue.changing() as changes:
            upload = changes.upload(event.upload_id)
            if upload and upload.state is UploadState.RECEIVED and event.bytes_done > upload.bytes_hashed:
                changes.save_upload(replace(upload, bytes_hashed=event.bytes_done, changed=self.clock()))

    def take_digests(self, event: events.PackageHashedV1) -> None:
        """Step 2 of the seed is done: keep the digests, then publish."""
        with self.catalogue.changing() as changes:
            upload = changes.upload(event.upload_id)
            if upload and upload.state is UploadState.RECEIVED:
                upload = replace(upload.hashed(event.digests), changed=self.clock())
                changes.save_upload(upload)
                changes.count_hashed(event.digests)
        if upload and upload.state is UploadState.HASHED:
            self._complete(upload)

    def _complete(self, upload: Upload) -> None:
        fault = upload.fault()
        if fault:
            self._reject(upload, fault)
            return
        assert upload.digests is not None
        self.offload(self.store.make_blob, upload.upload_id, Digest("sha256", upload.digests.sha256))
        with self.catalogue.changing() as changes, self.settler.round(changes) as round_:
            if _existing(changes, upload.upload_id).state is not UploadState.HASHED:
                return
            named = changes.named(upload.name)
            current = already_here(named, upload.digests.sha256)
            if current:
                changes.save_upload(upload.found(current.package_id, current.tags))
                log.info("upload_already_here", upload_id=upload.upload_id, package_id=current.package_id)
                return
            package = self._new_package(upload, upload.digests, [one.precedence[0] for one in named])
            self.files.keep(package.package_id, record_document(package, None))
            round_.apply(package.name, [package])
            changes.save_upload(upload.ended(UploadState.PUBLISHED, package_id=package.package_id))

    def _new_package(self, upload: Upload, digests: FileDigests, seen: Sequence[Stamp]) -> Package:
        instance_id, public_key = self.signer.identity
        mint = new_mint()
        manifest = Manifest(
            package_id=mint_id(public_key, mint),
            revision=1,
            name=PackageName.parse(upload.name),
            size=digests.size,
            sha256=Digest("sha256", digests.sha256),
            sha1=Digest("sha1", digests.sha1),
            chunks_sha1=Digest("sha256", digests.chunks_sha1),
            chunks_sha256=Digest("sha256", digests.chunks_sha256),
            origin=InstanceId(instance_id),
            origin_key=public_key,
            created=creation_time(self.clock(), seen),
            tags=upload.tags,
            mint=mint,
        )
        package = Package(manifest, self.signer.sign(manifest), PackageState.WANTED, upload.correlation_id, self.clock(), bytes_here=True)
        return replace(package, tags=upload.tags, ever=upload.tags or package.ever)

    def restamp(self, package: Package) -> None:
        """Sign a manifest of ours anew, with the present time, that was made while our clock was ahead; others refused it.

        One that only follows what others wrote stays as it is: then our clock is behind.
        """
        now = self.clock()
        with self.catalogue.changing() as changes, self.settler.round(changes) as round_:
            known = changes.package(package.package_id)
            if known is None or known.manifest != package.manifest:
                return
            named = changes.named(known.name)
            said = [kept for one in named for kept in changes.meta_of(one.package_id)]
            until = horizon(named, said, known.manifest.origin, now)
            if known.manifest.created <= until:
                return
            created = creation_time(now, moments(named, until))
            manifest = replace(package.manifest, revision=package.manifest.revision + 1, created=created)
            known = replace(known, manifest=manifest, envelope=self.signer.sign(manifest))
            round_.apply(known.name, [known])
            facts = facts_of(manifest, changes.meta_of(known.package_id), changes.trust())
            self.files.keep(known.package_id, record_document(known, facts))
        log.warning("manifest_restamped", package_id=package.package_id, was=package.manifest.created.isoformat())

    def _reject(self, upload: Upload, reason: str) -> None:
        self.store.quarantine(upload.upload_id, {"name": upload.name, "reason": reason, "uploaded_by": upload.uploaded_by})
        with self.catalogue.changing() as changes:
            changes.save_upload(upload.ended(UploadState.REJECTED, code="DIGEST_INVALID", reason=reason))
        log.error("upload_rejected", upload_id=upload.upload_id, reason=reason)

    def sweep(self, stale_seconds: float, idle_seconds: float) -> None:
        """Ring again for what waits, finish what a crash interrupted, give up what nobody continues."""
        now = self.clock()
        for upload in self.catalogue.stale_uploads(now - dt.timedelta(seconds=stale_seconds), _SWEPT_AT_ONCE):
            with bound(correlation_id=upload.correlation_id):
                self._revive(upload, now, idle_seconds)

    def _revive(self, upload: Upload, now: dt.datetime, idle_seconds: float) -> None:
        if upload.state is UploadState.HASHED:
            self._complete(upload)
        elif upload.state is UploadState.RECEIVED and self.store.incoming_size(upload.upload_id) is None:
            self._lose(upload)
        elif upload.state is UploadState.RECEIVED:
            with self.catalogue.changing() as changes:
                changes.save_upload(replace(upload, changed=now))
                changes.dispatch(_received(upload))
            log.info("upload_rung_again", upload_id=upload.upload_id)
        elif self._is_idle(upload, now, idle_seconds):
            self.abort(upload.upload_id, f"no byte came for {idle_seconds:g} seconds")

    def _lose(self, upload: Upload) -> None:
        reason = "its bytes are no longer in the incoming area; send the file again"
        with self.catalogue.changing() as changes:
            changes.save_upload(upload.ended(UploadState.REJECTED, code="BYTES_LOST", reason=reason))
        log.error("upload_lost", upload_id=upload.upload_id, name=upload.name)

    def _is_idle(self, upload: Upload, now: dt.datetime, idle_seconds: float) -> bool:
        age = self.store.incoming_age_seconds(upload.upload_id)
        waited = (now - upload.changed).total_seconds()
        return min(waited, waited if age is None else age) > idle_seconds


def _existing(changes: Changes, upload_id: str) -> Upload:
    upload = changes.upload(upload_id)
    if upload is None:
        raise NotFound(f"there is no upload {upload_id[:40]!r}")
    return upload


def _received(upload: Upload) -> events.PackageReceivedV1:
    return events.PackageReceivedV1(upload_id=upload.upload_id, name=upload.name, size=upload.size or 0)


def describe_upload(upload: Upload) -> dict[str, Any]:
    """An upload as the Admin API shows it; `hashed` is an inner step of `received`."""
    state = UploadState.RECEIVED if upload.state is UploadState.HASHED else upload.state
    error = {"code": upload.error_code, "reason": upload.error_reason} if upload.error_code else None
    return {
        "upload_id": upload.upload_id,
        "name": upload.name,
        "size": upload.size,
        "state": state.value,
        "bytes_hashed": upload.bytes_hashed,
        "package_id": upload.package_id,
        "error": error,
    }
