"""Packages on their way: from wanted to published bytes, or into quarantine; and away again, when a peer no longer shows them."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.storage.domain.package import Package, PackageState
from services.storage.handlers.settling import Settler, wanted
from services.storage.ports import Catalogue, Changes, Clock
from shared.contracts import events
from shared.core.digest import Digest
from shared.core.errors import Forbidden, NotFound
from shared.core.staging import entitled
from shared.runtime.bytestore.port import ByteStore
from shared.runtime.logging import bound, get_logger

log = get_logger(__name__)
Offload = Callable[..., Any]
"""Runs a function away from the hub and gives its result."""
_ARRIVING = (PackageState.WANTED, PackageState.SUPERSEDED)
_NOT_SHOWN = (PackageState.QUARANTINED, PackageState.DELETED, PackageState.REFUSED)


@dataclass
class PackageHandlers:
    """Everything about bytes that come from peers."""

    catalogue: Catalogue
    store: ByteStore
    clock: Clock
    settler: Settler
    offload: Offload

    def publish_verified(self, event: events.PackageVerifiedV1) -> None:
        """Step 7 of the seed is done: from here on, as after a local upload."""
        package = self.catalogue.package(event.package_id)
        if package is None or package.bytes_here or package.state not in _ARRIVING:
            self.store.drop_incoming(event.transfer_id)
            return
        if (event.digests.sha256, event.digests.sha1) != (package.sha256.hex, package.manifest.sha1.hex):
            self._quarantine(event.package_id, event.transfer_id, "DIGEST_INVALID", "the verified digests are not those of the manifest")
            return
        self.offload(self.store.make_blob, event.transfer_id, package.sha256)
        with self.catalogue.changing() as changes, self.settler.round(changes, package.received_from) as round_:
            package = changes.package(event.package_id)
            # Bytes are removed in such a transaction: one that ended just now may have taken these for needed by nobody.
            has_bytes = self.store.has_blob(Digest("sha256", event.digests.sha256))
            if has_bytes and package is not None and not package.bytes_here and package.state in _ARRIVING:
                changes.count_hashed(event.digests)
                round_.apply(package.name, [replace(package, bytes_here=True)])

    def quarantine_rejected(self, event: events.PackageRejectedV1) -> None:
        """The assembled file as a whole is not what the manifest says: put it aside."""
        self._quarantine(event.package_id, event.transfer_id, event.code, event.reason)

    def give_up(self, package_id: str, code: str, reason: str) -> None:
        """Replication found that this package cannot be had: its manifest is suspect."""
        self._quarantine(package_id, None, code, reason)

    def _quarantine(self, package_id: str, incoming_id: str | None, code: str, reason: str) -> None:
        with self.catalogue.changing() as changes, self.settler.round(changes) as round_:
            package = changes.package(package_id)
            if package is None or package.state is not PackageState.WANTED:
                return
            told = events.PackageQuarantinedV1(
                package_id=package_id, name=package.name, code=code, reason=reason[:500], tags=tuple(sorted(package.tags))
            )
            changes.dispatch(told)
            round_.apply(package.name, [package.quarantined(code, reason[:500])])
        if incoming_id:
            self.store.quarantine(incoming_id, {"package_id": package_id, "name": package.name, "code": code, "reason": reason})
        log.error("package_quarantined", package_id=package_id, code=code, reason=reason)

    def withdraw(self, package_ids: Sequence[str], peer_id: str) -> None:
        """No peer shows these to us any more: they are no longer for this instance, unless they are its own."""
        for package_id in package_ids:
            with self.catalogue.changing() as changes, self.settler.round(changes, peer_id) as round_:
                package = changes.package(package_id)
                if package is not None and not package.gone:
                    round_.apply(package.name, [replace(package, gone=True)])

    def ring_wanted(self, package_ids: Sequence[str]) -> None:
        """A peer has the bytes of these now: those that are wanted need not wait for the sweep."""
        for package in self.catalogue.packages(package_ids):
            if package.state is PackageState.WANTED:
                self._revive(package)

    def sweep(self) -> None:
        """Publish what a crash left as a blob without a record; ring again for what is wanted, and for what had to wait, in turn."""
        for package in self.catalogue.wanted_to_ring(self.settler.rung_before(), self.settler.wanted_at_once):
            self._revive(package)

    def _revive(self, package: Package) -> None:
        with bound(correlation_id=package.correlation_id):
            self._ring_or_publish(package.package_id)

    def _ring_or_publish(self, package_id: str) -> None:
        with self.catalogue.changing() as changes, self.settler.round(changes) as round_:
            package = changes.package(package_id)
            if package is None or package.state is not PackageState.WANTED:
                return
            if self.store.has_blob(package.sha256):
                round_.apply(package.name, [package])
            elif self._has_its_place(package) or self.settler.room(changes) > 0:
                _ring(changes, package, self.clock())

    def _has_its_place(self, package: Package) -> bool:
        return package.rung is not None and package.rung >= self.settler.rung_before()

    def manifest(self, package_id: str, tags: list[str] | None) -> dict[str, Any]:
        """The envelope of a package that is here or on its way, as base64.

        Raises:
            NotFound: if it is neither.
            Forbidden: NOT_ENTITLED, if a peer with these tags may not see it.
        """
        package = self.catalogue.package(package_id)
        if package is not None:
            check_entitled(package, tags)
        if package is None or package.state in _NOT_SHOWN:
            raise NotFound(f"there is no package {package_id[:40]!r} here")
        return {"envelope": base64.b64encode(package.envelope).decode()}


def check_entitled(package: Package, tags: list[str] | None) -> None:
    """Let pass who may see a package; without tags it is ourselves who ask.

    Raises:
        Forbidden: NOT_ENTITLED.
    """
    if tags is not None and not entitled(package.tags, tags):
        raise Forbidden("this package's staging tags do not let this peer have it", "NOT_ENTITLED")


def _ring(changes: Changes, package: Package, now: dt.datetime) -> None:
    changes.save_package(replace(package, changed=now, rung=now))
    changes.dispatch(wanted(package))
