"""What storage answers about its catalogue; nothing here changes anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.storage.domain.listing import Listing
from services.storage.domain.package import PackageState
from services.storage.handlers.describing import describe_package, find_package, is_package_id
from services.storage.handlers.packages import check_entitled
from services.storage.ports import Catalogue
from shared.core.errors import InvalidInput, NotFound
from shared.core.names import PackageName
from shared.runtime.bytestore.port import ByteStore

MAX_PAGE = 1000
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass
class Questions:
    """Reads the catalogue for the door and for replication."""

    catalogue: Catalogue
    store: ByteStore

    def list_packages(self, after: str | None, limit: int, filters: Mapping[str, Any] | None, sort: str | None) -> dict[str, Any]:
        """A page of packages, by name unless said otherwise.

        Raises:
            InvalidInput: CURSOR_INVALID, QUERY_INVALID, TAG_INVALID, INSTANCE_ID_INVALID.
        """
        packages, following = self.catalogue.page(Listing.read(filters, sort), after, _bounded(limit))
        return {"items": [describe_package(package) for package in packages], "next": following}

    def show_package(self, reference: str) -> dict[str, Any]:
        """A package by id, or the current one of a name.

        Raises:
            NotFound: if there is none.
        """
        return describe_package(find_package(self.catalogue, reference))

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

    def locate_digest(self, sha256: str) -> dict[str, Any]:
        """A package with these bytes that clients may have: current under its name, or superseded and kept.

        Raises:
            NotFound: if there is none.
        """
        found = self.catalogue.offered_with_sha256(sha256) if _SHA256.fullmatch(sha256) else None
        if found is None:
            raise NotFound("no bytes with that digest can be had here")
        return describe_package(found)

    def locate_blob(self, package_id: str, tags: list[str] | None) -> dict[str, Any]:
        """Digest and size of a package whose bytes can be had here.

        Raises:
            NotFound: if they cannot.
            Forbidden: NOT_ENTITLED, if a peer with these tags may not see it.
        """
        package = self.catalogue.package(package_id) if is_package_id(package_id) else None
        if package is None:
            raise NotFound(f"there is no package {package_id[:40]!r} here")
        check_entitled(package, tags)
        if not package.is_offered:
            raise NotFound(f"the bytes of package {package_id[:40]!r} are not here")
        return describe_package(package)

    def figures(self) -> dict[str, float]:
        """Counts for metrics and status."""
        return self.catalogue.figures() | {"free_bytes": self.store.free_bytes()}


def _bounded(limit: int) -> int:
    return max(1, min(MAX_PAGE, limit))
