"""An upload: bytes on their way in from an administrator.

::

    receiving ──finish──▶ received ──hashed──▶ hashed ──▶ published | already_here
        │                     │                   └─────▶ rejected
        └──abort──▶ aborted   └── (rung again by the sweep until hashed)
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from enum import StrEnum

from shared.contracts.events import FileDigests
from shared.core.errors import Conflict
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

    def finished(self, size: int, sha256: str | None) -> Upload:
        """All bytes are on the disk. `sha256` is what the door computed on the way, if the sender declared a digest.

        Raises:
            Conflict: if this upload is no longer receiving.
        """
        if self.state is not UploadState.RECEIVING:
            raise Conflict(f"the upload is {self.state.value}, not receiving", "UPLOAD_ENDED")
        return replace(self, state=UploadState.RECEIVED, size=size, declared_sha256=sha256)

    def hashed(self, digests: FileDigests) -> Upload:
        """Its digests are known."""
        return replace(self, state=UploadState.HASHED, digests=digests, bytes_hashed=digests.size)

    def fault(self) -> str | None:
        """Why what hashing read is not what was received, or None."""
        if not self.digests or self.digests.size != self.size:
            return f"{self.size} bytes were received, {self.digests.size if self.digests else 0} were found on the disk"
        if self.declared_sha256 and self.declared_sha256 != self.digests.sha256:
            return f"sha256:{self.declared_sha256} was received, sha256:{self.digests.sha256} was found on the disk"
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
