"""Publishing: the one way by which verified bytes become downloadable.

::

    promote (sync, rename into blobs)  ─▶  link into public  ─▶  commit record, feed and event

A crash between two of these leaves verified bytes without a record or a link; the sweep finds the work undone and does it
again, and each step done twice is done once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.storage.domain.package import Package, PackageState
from services.storage.ports import Catalogue, Changes, Clock
from shared.contracts.events import FileDigests, PackagePublishedV1
from shared.runtime.bytestore.port import ByteStore

Offload = Callable[..., Any]
"""Runs a function away from the hub and gives its result."""


@dataclass
class Publishing:
    """Places bytes and records."""

    catalogue: Catalogue
    store: ByteStore
    clock: Clock
    offload: Offload

    def promote(self, incoming_id: str, package: Package) -> None:
        """Make verified incoming bytes a blob."""
        self.offload(self.store.promote, incoming_id, package.sha256)

    def record(self, changes: Changes, package: Package) -> Package:
        """Write the record of a package whose blob is here: published, or superseded by what is current already."""
        current = changes.current(package.name)
        wins = current is None or current.package_id == package.package_id or package.supersedes(current)
        placed = package.placed(self.clock(), current=wins)
        if wins and current and current.package_id != package.package_id:
            changes.save_package(current.superseded())
        changes.save_package(placed)
        changes.stamp(placed)
        if wins:
            self.store.publish(package.sha256, package.manifest.name)
        changes.dispatch(_published(placed, current=wins))
        return placed

    def place_wanted(self, package_id: str, digests: FileDigests | None = None) -> None:
        """Publish a wanted package whose blob is here, after a digest pass if one was needed. Knowing it already is success."""
        with self.catalogue.changing() as changes:
            package = changes.package(package_id)
            if package and package.state is PackageState.WANTED:
                self.record(changes, package)
                if digests:
                    changes.count_hashed(digests)


def _published(package: Package, *, current: bool) -> PackagePublishedV1:
    return PackagePublishedV1(
        package_id=package.package_id,
        name=package.name,
        size=package.manifest.size,
        sha256=package.sha256.hex,
        origin=str(package.manifest.origin),
        received_from=package.received_from,
        current=current,
    )
