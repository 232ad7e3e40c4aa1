"""An upload: bytes on their way in from an administrator.

::

    receiving ──finish──▶ received ──hashed──▶ hashed ──▶ published | already_here
        │                     │                   └─────▶ rejected
        └──abort──▶ aborted   └── (rung again by the sweep until hashed)

A *resumable* upload takes its bytes in several requests. In `receiving` it is claimed by one writer at a time, advances as bytes
reach the disk, and is `received` by itself with the last one; it expires if none comes for long. One whose bytes are known
beforehand begins as `hashed`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from enum import StrEnum

from shared.contracts.events import FileDigests
from shared.core.errors import Conflict, Forbidden, Gone, NotFound
from shared.core.staging import Tags


class UploadState(StrEnum):
    """Where an upload is."""

    RECEIVING = "receiving"
    RECEIVED = "received"
    HASHED = "hashed"
    PUBLISHED = "published"
    ALREADY_HERE = "already_here"
    REJECTED = "rejected"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload. `correlation_id` is that of the request that began it."""

    upload_id: str
    name: str
    size: int | None
    uploaded_by: str
    correlation_id: str
    created: dt.datetime
    changed: dt.datetime
    state: UploadState = UploadState.RECEIVING
    declared_sha256: str | None = None
    bytes_hashed: int = 0
    digests: FileDigests | None = None
    package_id: str | None = None
    error_code: str | None = None
    error_reason: str | None = None
    tags: Tags = frozenset()
    """Staging tags that its package is born with."""
    expires: dt.datetime | None = None
    """When a resumable upload is given up unless more of it came. None: it is not resumable."""
    bytes_received: int = 0
    """How many bytes of a resumable upload are on the disk, synced: where it goes on."""
    fence: int = 0
    """Grows with each claim of a resumable upload; who wrote before has no say any more."""
    metadata: str = ""
    """What the sender of a resumable upload said about it, verbatim."""

    def finished(self, size: int, sha256: str | None) -> Upload:
        """All bytes are on the disk. `sha256` is what the door computed on the way, if the sender declared a digest.

        Raises:
            Conflict: if this upload is no longer receiving.
        """
        if self.state is not UploadState.RECEIVING:
            raise Conflict(f"the upload is {self.state.value}, not receiving", "UPLOAD_ENDED")
        return replace(self, state=UploadState.RECEIVED, size=size, declared_sha256=sha256 or self.declared_sha256)

    def check_owner(self, person: str, *, of_others: bool) -> None:
        """An upload belongs to who began it. `of_others`: this person may also act on those of others.

        Raises:
            Forbidden: NOT_YOUR_UPLOAD.
        """
        if person != self.uploaded_by and not of_others:
            raise Forbidden("this upload belongs to whoever began it: go on as that person, or as an administrator", "NOT_YOUR_UPLOAD")

    def check_resumable(self, now: dt.datetime) -> None:
        """It takes bytes, or took them all and was not refused afterwards.

        Raises:
            NotFound: if it is not resumable.
            Gone: if it ended badly, or expired.
        """
        if self.expires is None:
            raise NotFound("this upload cannot be resumed: it is sent in one request")
        self._check_alive()
        if self.has_expired(now):
            raise Gone("the upload expired: begin another one", "UPLOAD_EXPIRED")

    def _check_alive(self) -> None:
        if self.state in (UploadState.ABORTED, UploadState.REJECTED):
            raise Gone(f"the upload was {self.state.value}: {self.error_reason}; begin another one", self.error_code)

    def has_expired(self, now: dt.datetime) -> bool:
        """True if it was to bring more bytes by now."""
        return self.state is UploadState.RECEIVING and self.expires is not None and self.expires <= now

    def claimed(self, offset: int, now: dt.datetime) -> Upload:
        """A writer goes on from `offset`; if all bytes are here, there is nothing to claim.

        Raises:
            Conflict: OFFSET_MISMATCH, if it stands elsewhere.
            NotFound, Gone: as above.
        """
        self.check_resumable(now)
        if offset != self.bytes_received:
            raise Conflict(
                f"the upload stands at {self.bytes_received}, not at {offset}: ask for its offset, and go on there", "OFFSET_MISMATCH"
            )
        return replace(self, fence=self.fence + 1) if self.state is UploadState.RECEIVING else self

    def advanced(self, fence: int, offset: int, now: dt.datetime, kept: dt.timedelta) -> Upload:
        """All bytes before `offset` are on the disk, says the writer with this claim; with the last of them it is received.

        Raises:
            Conflict: UPLOAD_TAKEN_OVER, if another writer claimed it since; UPLOAD_ENDED; OFFSET_MISMATCH, if it would go back or too far.
            NotFound, Gone: as above.
        """
        self.check_resumable(now)
        if fence != self.fence:
            raise Conflict("another request goes on with this upload", "UPLOAD_TAKEN_OVER")
        if not self.bytes_received <= offset <= (self.size or 0):
            raise Conflict(f"an upload of {self.size} bytes at {self.bytes_received} cannot advance to {offset}", "OFFSET_MISMATCH")
        further = replace(self, bytes_received=offset, expires=now + kept, changed=now)
        return further.finished(offset, None) if offset == self.size else further

    def cancelled(self, person: str) -> Upload:
        """This person gives it up before it has all its bytes.

        Raises:
            Gone: if it ended badly already.
            Conflict: UPLOAD_ENDED, if it has all its bytes.
        """
        self._check_alive()
        if self.state is not UploadState.RECEIVING:
            raise Conflict(f"the upload is {self.state.value}: delete the package instead", "UPLOAD_ENDED")
        return self.ended(UploadState.ABORTED, code="UPLOAD_CANCELLED", reason=f"it was cancelled by {person}")

    def known(self, digests: FileDigests) -> Upload:
        """Its bytes are here already, verified: none need be sent."""
        return replace(self.hashed(digests), bytes_received=digests.size)

    def hashed(self, digests: FileDigests) -> Upload:
        """Its digests are known."""
        return replace(self, state=UploadState.HASHED, digests=digests, bytes_hashed=digests.size)

    def fault(self) -> str | None:
        """Why what hashing read is not what was received, or None."""
        if not self.digests or self.digests.size != self.size:
            return f"{self.size} bytes were received, {self.digests.size if self.digests else 0} were found on the disk"
        if self.declared_sha256 and self.declared_sha256 != self.digests.sha256:
            return f"sha256:{self.declared_sha256} was declared, sha256:{self.digests.sha256} was found on the disk"
        return None

    def found(self, package_id: str, tags: Tags) -> Upload:
        """The package is there already, with these tags. It keeps them; if others were asked for, that is said."""
        if tags == self.tags:
            return self.ended(UploadState.ALREADY_HERE, package_id=package_id)
        kept = f"its staging tags are {', '.join(sorted(tags))}" if tags else "it has no staging tags"
        reason = f"the package is here already, {kept}, and it keeps them: retag it, if that is not what you want"
        return self.ended(UploadState.ALREADY_HERE, package_id=package_id, code="TAGS_DIFFER", reason=reason)

    def ended(self, state: UploadState, *, package_id: str | None = None, code: str | None = None, reason: str | None = None) -> Upload:
        """It came to an end."""
        return replace(self, state=state, package_id=package_id, error_code=code, error_reason=reason)
