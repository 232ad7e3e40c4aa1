"""Between rows and values."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from services.storage.domain.facts import KeptMeta
from services.storage.domain.listing import folded
from services.storage.domain.package import Package, PackageState
from services.storage.domain.promotion import Promotion, PromotionState
from services.storage.domain.upload import Upload, UploadState
from services.storage.ports import KeptCharter, KeptRotation
from shared.contracts.events import FileDigests
from shared.core.clock import Stamp
from shared.core.staging import Tags
from shared.core.times import to_text, to_text_or_none, to_time, to_time_or_none
from shared.runtime.keys import trusted_charter, trusted_manifest, trusted_meta, trusted_rotation


def tags_text(tags: Tags) -> str:
    """Tags as they are stored: sorted, with spaces between."""
    return " ".join(sorted(tags))


@lru_cache(maxsize=1000)
def read_tags_text(text: str) -> Tags:
    """Stored tags."""
    return frozenset(text.split())


def upload_row(upload: Upload) -> dict[str, Any]:
    """An upload as a row."""
    return {
        "upload_id": upload.upload_id,
        "name": upload.name,
        "size": upload.size,
        "uploaded_by": upload.uploaded_by,
        "correlation_id": upload.correlation_id,
        "created": to_text(upload.created),
        "changed": to_text(upload.changed),
        "state": upload.state.value,
        "declared_sha256": upload.declared_sha256,
        "bytes_hashed": upload.bytes_hashed,
        "digests": upload.digests.model_dump_json() if upload.digests else None,
        "package_id": upload.package_id,
        "error_code": upload.error_code,
        "error_reason": upload.error_reason,
        "tags": tags_text(upload.tags),
        "expires": to_text_or_none(upload.expires),
        "bytes_received": upload.bytes_received,
        "fence": upload.fence,
        "metadata": upload.metadata,
    }


def upload_of(row: Any) -> Upload:
    """A row as an upload."""
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented way to a mapping
    fields["created"], fields["changed"], fields["expires"] = to_time(row.created), to_time(row.changed), to_time_or_none(row.expires)
    fields["state"] = UploadState(row.state)
    fields["digests"] = FileDigests.model_validate_json(row.digests) if row.digests else None
    fields["tags"] = read_tags_text(row.tags)
    return Upload(**fields)


def package_row(package: Package) -> dict[str, Any]:
    """A package as a row."""
    return {
        "package_id": package.package_id,
        "name": package.name,
        "size": package.manifest.size,
        "sha256": package.sha256.hex,
        "envelope": package.envelope,
        "state": package.state.value,
        "correlation_id": package.correlation_id,
        "changed": to_text(package.changed),
        "created": to_text(package.manifest.created),
        "received_from": package.received_from,
        "published": to_text_or_none(package.published),
        "error_code": package.error_code,
        "error_reason": package.error_reason,
        "tags": tags_text(package.tags),
        "ever": tags_text(package.ever),
        "precedence": str(package.precedence[0]),
        "deleted": str(package.deleted) if package.deleted else None,
        "raised": str(package.raised) if package.raised else None,
        "manifest_digest": package.manifest_digest,
        "meta_digest": package.meta_digest,
        "gone": package.gone,
        "bytes_here": package.bytes_here,
        "remove_after": to_text_or_none(package.remove_after),
        "rung": to_text_or_none(package.rung),
        "origin": str(package.manifest.origin),
        "folded": folded(package.name),
    }


def package_of(row: Any) -> Package:
    """A row as a package; the manifest is read from the signed bytes, the only place where it is kept."""
    return Package(
        trusted_manifest(row.envelope),
        row.envelope,
        PackageState(row.state),
        row.correlation_id,
        to_time(row.changed),
        row.received_from,
        to_time_or_none(row.published),
        row.error_code,
        row.error_reason,
        read_tags_text(row.tags),
        read_tags_text(row.ever),
        Stamp.parse(row.deleted) if row.deleted else None,
        Stamp.parse(row.raised) if row.raised else None,
        row.meta_digest,
        row.gone,
        row.bytes_here,
        to_time_or_none(row.remove_after),
        to_time_or_none(row.rung),
    )


def meta_row(kept: KeptMeta) -> dict[str, Any]:
    """A meta record as a row."""
    record = kept.record
    return {
        "package_id": record.package_id,
        "field": record.field.value,
        "author": str(record.author),
        "stamp": str(record.stamp),
        "envelope": kept.envelope,
        "digest": kept.digest,
    }


def meta_of(row: Any) -> KeptMeta:
    """A row as a meta record."""
    return KeptMeta(trusted_meta(row.envelope), row.envelope, row.digest)


def charter_of(row: Any) -> KeptCharter:
    """A row as a charter."""
    return KeptCharter(trusted_charter(row.envelope), row.envelope)


def rotation_of(row: Any) -> KeptRotation:
    """A row as a rotation."""
    return KeptRotation(trusted_rotation(row.envelope), row.envelope)


def promotion_row(promotion: Promotion) -> dict[str, Any]:
    """A promotion as a row."""
    return {
        "promotion_id": promotion.promotion_id,
        "package_id": promotion.package_id,
        "name": promotion.name,
        "stage": promotion.stage,
        "requested_by": promotion.requested_by,
        "requested": to_text(promotion.requested),
        "due": to_text(promotion.due),
        "state": promotion.state.value,
        "approved_by": promotion.approved_by,
        "reason": promotion.reason,
        "ended": to_text_or_none(promotion.ended),
    }


def promotion_of(row: Any) -> Promotion:
    """A row as a promotion."""
    fields = dict(row._mapping)  # noqa: SLF001 - as above
    times = {"requested": to_time(row.requested), "due": to_time(row.due), "ended": to_time_or_none(row.ended)}
    return Promotion(**fields | times | {"state": PromotionState(row.state)})
