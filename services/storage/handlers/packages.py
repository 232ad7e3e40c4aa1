"""Packages that peers offer: from a manifest to published bytes."""

from __future__ import annotations

import base64
import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

from services.storage.domain.package import Package, PackageState
from services.storage.handlers.publishing import Publishing
from services.storage.ports import Catalogue, Changes, Clock, Signer
from shared.contracts import events
from shared.core.errors import ManifestInvalid, NotFound
from shared.core.manifest import Manifest
from shared.runtime.bytestore.port import ByteStore
from shared.runtime.logging import bound, correlation_id, get_logger

log = get_logger(__name__)
_SWEPT_AT_ONCE = 50


@dataclass
class PackageHandlers:
    """Everything about packages that come from peers."""

    catalogue: Catalogue
    store: ByteStore
    signer: Signer
    clock: Clock
    publishing: Publishing

    def offer(self, envelope: str, peer_id: str) -> dict[str, Any]:
        """Take note of a manifest (base64 of its envelope) that a peer relays. Answers the package's state here.

        Bytes that are here already, under whatever name, are not moved again.

        Raises:
            ManifestInvalid: if its origin did not sign it, or it contradicts one that is known.
        """
        raw = base64.b64decode(envelope)
        manifest = self.signer.open(raw)
        with self.catalogue.changing() as changes:
            known = changes.package(manifest.package_id)
            if known:
                _check_same(known, manifest)
                return {"package_id": known.package_id, "state": known.state.value}
            package = Package(manifest, raw, PackageState.WANTED, correlation_id(), self.clock(), received_from=peer_id)
            package = self._want_or_publish(changes, package)
        log.info("manifest_accepted", package_id=package.package_id, name=package.name, peer_id=peer_id, state=package.state.value)
        return {"package_id": package.package_id, "state": package.state.value}

    def _want_or_publish(self, changes: Changes, package: Package) -> Package:
        if self.store.has_blob(package.sha256):
            fault = self._contradiction(package.manifest)
            if fault:
                raise ManifestInvalid(fault)
            return self.publishing.record(changes, package)
        changes.save_package(package)
        changes.dispatch(_wanted(package))
        return package

    def _contradiction(self, manifest: Manifest) -> str | None:
        chunks = self.store.read_blob_chunks(manifest.sha256)
        if chunks is None:
            return None
        try:
            manifest.check_chunk_list(chunks)
        except ManifestInvalid as error:
            return f"its chunk digests do not fit the bytes with the SHA-256 that it names: {error}"
        twin = self.catalogue.with_sha256(manifest.sha256.hex)
        if twin and (twin.manifest.sha1, twin.manifest.size) != (manifest.sha1, manifest.size):
            return "its SHA-1 or size does not fit the bytes with the SHA-256 that it names"
        return None

    def publish_verified(self, event: events.PackageVerifiedV1) -> None:
        """Step 7 of the seed is done: from here on, as after a local upload."""
        package = self.catalogue.package(event.package_id)
        if package is None or package.state is not PackageState.WANTED:
            return
        if (event.digests.sha256, event.digests.sha1) != (package.sha256.hex, package.manifest.sha1.hex):
            self._quarantine(event.package_id, event.transfer_id, "DIGEST_INVALID", "the verified digests are not those of the manifest")
            return
        self.publishing.promote(event.transfer_id, package)
        self.publishing.place_wanted(event.package_id, event.digests)
        log.info("package_published", package_id=package.package_id, name=package.name, size=package.manifest.size)

    def quarantine_rejected(self, event: events.PackageRejectedV1) -> None:
        """The assembled file as a whole is not what the manifest says: put it aside."""
        self._quarantine(event.package_id, event.transfer_id, event.code, event.reason)

    def give_up(self, package_id: str, code: str, reason: str) -> None:
        """Replication found that this package cannot be had: its manifest is suspect."""
        self._quarantine(package_id, None, code, reason)

    def _quarantine(self, package_id: str, incoming_id: str | None, code: str, reason: str) -> None:
        with self.catalogue.changing() as changes:
            package = changes.package(package_id)
            if package is None or package.state is not PackageState.WANTED:
                return
            changes.save_package(package.quarantined(code, reason[:500]))
            changes.dispatch(events.PackageQuarantinedV1(package_id=package_id, name=package.name, code=code, reason=reason[:500]))
        if incoming_id:
            self.store.quarantine(incoming_id, {"package_id": package_id, "name": package.name, "code": code, "reason": reason})
        log.error("package_quarantined", package_id=package_id, code=code, reason=reason)

    def sweep(self, stale_seconds: float) -> None:
        """Publish what a crash left as a blob without a record; ring again for what is wanted."""
        now = self.clock()
        for package in self.catalogue.stale_packages(now - dt.timedelta(seconds=stale_seconds), _SWEPT_AT_ONCE):
            with bound(correlation_id=package.correlation_id):
                self._revive(package, now)

    def _revive(self, package: Package, now: dt.datetime) -> None:
        if self.store.has_blob(package.sha256):
            self.publishing.place_wanted(package.package_id)
            return
        with self.catalogue.changing() as changes:
            changes.save_package(replace(package, changed=now))
            changes.dispatch(_wanted(package))

    def manifest(self, package_id: str) -> dict[str, Any]:
        """The envelope of a package that is here or on its way, as base64.

        Raises:
            NotFound: if it is neither.
        """
        package = self.catalogue.package(package_id)
        if package is None or package.state is PackageState.QUARANTINED:
            raise NotFound(f"there is no package {package_id[:40]!r} here")
        return {"envelope": base64.b64encode(package.envelope).decode()}


def _check_same(known: Package, manifest: Manifest) -> None:
    if known.manifest.sha256 != manifest.sha256 or known.manifest.origin != manifest.origin or known.name != manifest.name.text:
        raise ManifestInvalid(f"package {manifest.package_id} is known with other bytes, name or origin")


def _wanted(package: Package) -> events.PackageWantedV1:
    return events.PackageWantedV1(package_id=package.package_id, name=package.name, size=package.manifest.size)
