"""What storage answers about its catalogue; nothing here changes anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from services.storage.domain.package import Package, PackageState
from services.storage.ports import Catalogue
from shared.core.errors import InvalidInput, NotFound
from shared.core.names import PackageName
from shared.core.times import rfc3339, rfc3339_or_none
from shared.runtime.bytestore.port import ByteStore

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MAX_PAGE = 1000


@dataclass
class Questions:
    """Reads the catalogue for the door and for replication."""

    catalogue: Catalogue
    store: ByteStore

    def list_packages(self, after: str | None, limit: int) -> dict[str, Any]:
        """A page of packages by name."""
        packages, following = self.catalogue.page(after, _bounded(limit))
        return {"items": [describe_package(package) for package in packages], "next": following}

    def show_package(self, reference: str) -> dict[str, Any]:
        """A package by id, or the current one of a name.

        Raises:
            NotFound: if there is none.
        """
        by_id = self.catalogue.package(reference) if _UUID.fullmatch(reference) else None
        package = by_id or self.catalogue.by_name(PackageName.parse(reference).text)
        if package is None:
            raise NotFound(f"there is no package {reference[:80]!r} here")
        return describe_package(package)

    def locate_public(self, name: str) -> dict[str, Any]:
        """What clients get under a name.

        Raises:
            NotFound: if nothing is published under it.
        """
        try:
            package = self.catalogue.by_name(PackageName.parse(name).text)
        except InvalidInput as error:
            raise NotFound("nothing is published under that name") from error
        if package is None or package.state is not PackageState.PUBLISHED:
            raise NotFound(f"nothing is published under {name[:80]!r}")
        return describe_package(package)

    def locate_blob(self, package_id: str) -> dict[str, Any]:
        """Digest and size of a package whose bytes are here.

        Raises:
            NotFound: if they are not.
        """
        package = self.catalogue.package(package_id) if _UUID.fullmatch(package_id) else None
        if package is None or not package.is_here:
            raise NotFound(f"there is no package {package_id[:40]!r} here")
        return describe_package(package)

    def changes(self, epoch: str | None, since: int, limit: int) -> dict[str, Any]:
        """A page of the change feed, as peers read it."""
        page = self.catalogue.changes(epoch, max(0, since), _bounded(limit))
        items = [
            {"seq": seq, "kind": "package", "id": package_id, "rev": revision, "digest": digest}
            for seq, package_id, revision, digest in page.items
        ]
        return {"epoch": page.epoch, "items": items, "next": page.next, "more": page.more}

    def feed_position(self) -> dict[str, Any]:
        """Epoch and highest number of the change feed, for announcements."""
        epoch, seq = self.catalogue.feed_position()
        return {"epoch": epoch, "seq": seq}

    def figures(self) -> dict[str, float]:
        """Counts for metrics and status."""
        return self.catalogue.figures() | {"free_bytes": self.store.free_bytes()}


def _bounded(limit: int) -> int:
    return max(1, min(MAX_PAGE, limit))


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
        "state": package.state.value,
        "received_from": package.received_from,
        "published": rfc3339_or_none(package.published),
        "error": {"code": package.error_code, "reason": package.error_reason} if package.error_code else None,
    }
