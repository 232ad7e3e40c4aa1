"""Resumable uploads: begun with a size, continued where they stand, by one writer at a time (docs/adr/0015-resumable-uploads.md).

The database says how many bytes are here. The door says so to it only after they are on the disk, and only with the fence of
the latest claim: whatever is doubled, late, or dies in between, no byte counts that is not on the disk.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from services.storage.domain.listing import Newest
from services.storage.domain.upload import Upload, UploadState
from services.storage.handlers.settling import contradiction
from services.storage.handlers.uploads import UploadHandlers, describe_upload, existing_upload, received
from services.storage.ports import Catalogue, Clock
from shared.contracts.events import FileDigests
from shared.core.digest import Digest
from shared.core.errors import NotFound
from shared.runtime.bytestore.port import ByteStore
from shared.runtime.logging import get_logger

log = get_logger(__name__)


@dataclass
class ResumingHandlers:
    """Everything about resumable uploads until their last byte; from there on they are uploads like others."""

    catalogue: Catalogue
    store: ByteStore
    clock: Clock
    uploads: UploadHandlers
    kept: dt.timedelta
    """How long one waits for its next byte."""

    def begin(  # noqa: PLR0913, PLR0917 - all that is said of an upload beforehand
        self, name: str, size: int, uploaded_by: str, tags: object, sha256: str | None, metadata: str, within: object = None
    ) -> dict[str, Any]:
        """Take note of an upload before its first byte. One whose bytes can be had here already is complete at once.

        Raises:
            InvalidInput: as for any upload; DIGEST_MALFORMED.
            Conflict: as for any upload.
            Forbidden: OUTSIDE_GRANT.
            InsufficientSpace: if it does not fit.
        """
        declared = Digest.parse(f"sha256:{sha256}").hex if sha256 else None
        upload = self.uploads.admitted(name, size, uploaded_by, tags, within)
        upload = replace(upload, declared_sha256=declared, expires=self.clock() + self.kept, metadata=metadata)
        with self.catalogue.changing() as changes:
            upload = self._known(upload) or upload
            if upload.state is UploadState.RECEIVING:
                self.uploads.require_room(size)
            # Kept as hashed in the transaction that saw the bytes: from here on they are not removed.
            changes.save_upload(upload)
        if upload.state is UploadState.HASHED:
            log.info("upload_known", upload_id=upload.upload_id, name=upload.name, size=size)
            self.uploads.complete(upload)
        return self._shown(upload.upload_id)

    def _known(self, upload: Upload) -> Upload | None:
        """The upload as hashed, if its bytes can be had here. Then anybody can download them by their digest: asking gains nothing."""
        twin = self.catalogue.offered_with_sha256(upload.declared_sha256) if upload.declared_sha256 else None
        if twin is None or twin.manifest.size != upload.size or self.store.read_blob_chunks(twin.sha256) is None:
            return None
        if not self.store.has_blob(twin.sha256) or contradiction(twin, self.store, self.catalogue):
            return None
        manifest = twin.manifest
        digests = FileDigests(
            size=manifest.size,
            sha256=manifest.sha256.hex,
            sha1=manifest.sha1.hex,
            chunks_sha256=manifest.chunks_sha256.hex,
            chunks_sha1=manifest.chunks_sha1.hex,
            seconds=0,
        )
        return upload.known(digests)

    def offset(self, upload_id: str, person: str, *, of_others: bool) -> dict[str, Any]:
        """Where an upload stands.

        Raises:
            NotFound, Gone: if it cannot be continued.
            Forbidden: NOT_YOUR_UPLOAD.
        """
        upload = self.catalogue.upload(upload_id)
        if upload is None:
            raise NotFound(f"there is no upload {upload_id[:40]!r}")
        upload.check_owner(person, of_others=of_others)
        upload.check_resumable(self.clock())
        return describe_resumable(upload)

    def claim(self, upload_id: str, person: str, offset: int, *, of_others: bool) -> dict[str, Any]:
        """A writer goes on from `offset`; only its word counts from now on. It holds the lock on the incoming file.

        Raises:
            Conflict: OFFSET_MISMATCH.
            NotFound, Gone, Forbidden: as above.
        """
        with self.catalogue.changing() as changes:
            upload = existing_upload(changes, upload_id)
            upload.check_owner(person, of_others=of_others)
            claimed = upload.claimed(offset, self.clock())
            if claimed != upload:
                changes.save_upload(claimed)
        return describe_resumable(claimed)

    def advance(self, upload_id: str, fence: int, offset: int) -> dict[str, Any]:
        """All bytes before `offset` are on the disk. With the last of them, have them hashed.

        Raises:
            Conflict: UPLOAD_TAKEN_OVER, UPLOAD_ENDED, OFFSET_MISMATCH.
            NotFound, Gone: as above.
        """
        with self.catalogue.changing() as changes:
            upload = existing_upload(changes, upload_id).advanced(fence, offset, self.clock(), self.kept)
            changes.save_upload(upload)
            if upload.state is UploadState.RECEIVED:
                changes.dispatch(received(upload))
        if upload.state is UploadState.RECEIVED:
            log.info("upload_received", upload_id=upload_id, name=upload.name, size=upload.size)
        return describe_resumable(upload)

    def cancel(self, upload_id: str, person: str, *, of_others: bool) -> None:
        """Give up an upload that still receives, resumable or not, and leave nothing of it behind.

        Raises:
            Conflict: UPLOAD_ENDED, if it has all its bytes.
            NotFound, Gone, Forbidden: as above.
        """
        with self.catalogue.changing() as changes:
            upload = existing_upload(changes, upload_id)
            upload.check_owner(person, of_others=of_others)
            changes.save_upload(upload.cancelled(person))
        self.store.drop_incoming(upload_id)
        log.info("upload_cancelled", upload_id=upload_id, name=upload.name, person=person)

    def listed(self, after: str | None, limit: int, states: Collection[str] = (), name: str | None = None) -> dict[str, Any]:
        """A page of uploads in one of these states, or in any; newest first.

        Raises:
            InvalidInput: CURSOR_INVALID.
        """
        within = frozenset(states) | ({UploadState.HASHED} if UploadState.RECEIVED in states else set())
        items, following = self.catalogue.uploads(Newest(within, name), after, limit)
        return {"items": [describe_upload(one) for one in items], "next": following}

    def _shown(self, upload_id: str) -> dict[str, Any]:
        upload = self.catalogue.upload(upload_id)
        assert upload is not None
        return describe_resumable(upload)


def describe_resumable(upload: Upload) -> dict[str, Any]:
    """An upload as the door needs it to go on."""
    return describe_upload(upload) | {"fence": upload.fence, "metadata": upload.metadata}
