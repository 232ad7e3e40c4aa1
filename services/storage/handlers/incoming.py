"""What a peer relays, as it is read: what it claims to be about, what it holds, and what of it was refused."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.storage.domain.facts import KeptMeta
from services.storage.domain.package import Package
from shared.core.errors import ManifestInvalid, OdstError, RecordInvalid
from shared.core.manifest import Manifest
from shared.core.staging import Tags
from shared.runtime.logging import get_logger

log = get_logger(__name__)


@dataclass
class Refusals:
    """What of a batch was not accepted."""

    items: list[dict[str, str]] = field(default_factory=list)

    def add(self, kind: str, record_id: str, error: OdstError) -> None:
        """Note one."""
        self.items.append({"kind": kind, "id": record_id, "code": error.code, "reason": str(error)[:300]})
        log.warning("record_refused", kind=kind, record_id=record_id, code=error.code, reason=str(error)[:300])


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a peer tells about a package; the signatures are checked, nothing else is."""

    package_id: str
    manifest: Manifest | None = None
    """None if we may no longer see it."""
    envelope: bytes | None = None
    meta: Sequence[KeptMeta] = ()
    ever: Tags = frozenset()
    """Tags that it ever had here, if that was kept beside the database."""


def check_same(known: Package, manifest: Manifest) -> None:
    """Accept a revision only if it is of the same package.

    Raises:
        ManifestInvalid: if its bytes, chunk lists, origin or name are others.
    """
    if _what_stays(known.manifest) != _what_stays(manifest):
        raise ManifestInvalid(f"package {manifest.package_id} is known with other bytes, chunk lists, name or origin")


def _what_stays(manifest: Manifest) -> tuple[object, ...]:
    """What no revision may change."""
    digests = manifest.sha256, manifest.sha1, manifest.chunks_sha256, manifest.chunks_sha1
    return manifest.size, *digests, manifest.origin, manifest.name.text


def ever_in(document: dict[str, Any]) -> Tags:
    """Tags that a package ever had, as far as a record file says so."""
    found = document.get("ever")
    return frozenset(one for one in found if isinstance(one, str) and " " not in one) if isinstance(found, list) else frozenset()


def claimed_id(text: str) -> str:
    """Whom a charter or a rotation says to be about: under this id the caller asked for it. Nothing is verified; junk has a digest."""
    try:
        fields = json.loads(base64.b64decode(json.loads(decoded(text))["payload"]))
        return str(fields.get("instance_id") or fields["old"])[:60]
    except (OdstError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return hashlib.sha256(str(text).encode()).hexdigest()[:52]


def decoded(text: object) -> bytes:
    """The envelope in base64.

    Raises:
        RecordInvalid: if it is none.
    """
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RecordInvalid("the envelope is no base64") from error
