"""Digests that the mesh does not need, for programs outside: computed when somebody asks, once, and kept."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from services.storage.handlers.describing import is_package_id
from services.storage.ports import Catalogue, Clock, DigestsKept, Further
from shared.contracts.events import PackageDigestedV1, PackageDigestsWantedV1
from shared.core.errors import NotFound

ASK_AGAIN = dt.timedelta(minutes=15)
"""Whoever hashes may have died with its message dead-lettered: after this time it is asked for again. Two at once do no harm."""


@dataclass
class FurtherDigests:
    """MD5 and SHA-512 of verified bytes."""

    catalogue: Catalogue
    kept: DigestsKept
    clock: Clock

    def digests(self, package_id: str) -> dict[str, Any]:
        """`{known, sha256, md5, sha512}` of a package whose bytes are here; what is not known yet is computed from now on.

        Raises:
            NotFound: if the bytes are not here.
        """
        package = self.catalogue.package(package_id) if is_package_id(package_id) else None
        if package is None or not package.bytes_here:
            raise NotFound(f"the bytes of package {package_id[:40]!r} are not here")
        sha256, now = package.sha256.hex, self.clock()
        further = self.kept.find(sha256)
        if further is None:
            wanted = PackageDigestsWantedV1(package_id=package_id, sha256=sha256, size=package.manifest.size)
            self.kept.ask(wanted, now, now - ASK_AGAIN)
            return {"known": False, "sha256": sha256, "md5": None, "sha512": None}
        return {"known": True, "sha256": sha256, "md5": further.md5, "sha512": further.sha512}

    def keep(self, event: PackageDigestedV1) -> None:
        """Hashing is done with them."""
        self.kept.keep(event.sha256, Further(event.md5, event.sha512), self.clock())
