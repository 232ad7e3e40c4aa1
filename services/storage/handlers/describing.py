"""Packages as the Admin API shows them, and how they are found by what people write."""

from __future__ import annotations

import re
from typing import Any

from services.storage.domain.package import Package
from services.storage.ports import Catalogue
from shared.core.errors import NotFound
from shared.core.names import PackageName
from shared.core.times import rfc3339, rfc3339_or_none

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_package_id(reference: str) -> bool:
    """True if this has the form of a package id."""
    return bool(_UUID.fullmatch(reference))


def find_package(catalogue: Catalogue, reference: str) -> Package:
    """A package by id, or the current one of a name.

    Raises:
        NotFound: if there is none.
    """
    by_id = catalogue.package(reference) if is_package_id(reference) else None
    package = by_id or catalogue.by_name(PackageName.parse(reference).text)
    if package is None:
        raise NotFound(f"there is no package {reference[:80]!r} here")
    return package


def describe_package(package: Package) -> dict[str, Any]:
    """A package as the Admin API shows it."""
    manifest = package.manifest
    return {
        "package_id": package.package_id,
        "name": package.name,
        "size": manifest.size,
        "sha256": manifest.sha256.hex,
        "sha1": manifest.sha1.hex,
        "origin": str(manifest.origin),
        "created": rfc3339(manifest.created),
        "revision": manifest.revision,
        "state": package.state.value,
        "bytes_here": package.bytes_here,
        "tags": sorted(package.tags),
        "deleted": rfc3339_or_none(package.deleted.time if package.deleted else None),
        "raised": rfc3339_or_none(package.raised.time if package.raised else None),
        "remove_after": rfc3339_or_none(package.remove_after),
        "received_from": package.received_from,
        "published": rfc3339_or_none(package.published),
        "error": {"code": package.error_code, "reason": package.error_reason} if package.error_code else None,
    }
