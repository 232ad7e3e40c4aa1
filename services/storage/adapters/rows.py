"""Between rows and values."""

from __future__ import annotations

from typing import Any

from services.storage.domain.package import Package, PackageState
from services.storage.domain.upload import Upload, UploadState
from shared.contracts.events import FileDigests
from shared.core.manifest import Manifest
from shared.core.times import to_text, to_text_or_none, to_time, to_time_or_none
from shared.runtime.keys import open_manifest


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
    }


def upload_of(row: Any) -> Upload:
    """A row as an upload."""
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented way to a mapping
    fields["created"], fields["changed"] = to_time(row.created), to_time(row.changed)
    fields["state"] = UploadState(row.state)
    fields["digests"] = FileDigests.model_validate_json(row.digests) if row.digests else None
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
    }


def package_of(row: Any) -> Package:
    """A row as a package; the manifest is read from the signed bytes, the only place where it is kept."""
    manifest: Manifest = open_manifest(row.envelope)
    return Package(
        manifest,
        row.envelope,
        PackageState(row.state),
        row.correlation_id,
        to_time(row.changed),
        row.received_from,
        to_time_or_none(row.published),
        row.error_code,
        row.error_reason,
    )
