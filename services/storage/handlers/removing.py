"""Removing bytes that are no longer to be kept: out of the trash, beyond retention, or no longer for this instance.

It asks nothing of the peers. Bytes that another package still has here stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from services.storage.domain.package import Package, PackageState
from services.storage.handlers.settling import Settler
from services.storage.ports import Catalogue, Clock
from shared.runtime.bytestore.port import ByteStore
from shared.runtime.logging import get_logger

log = get_logger(__name__)
_AT_ONCE = 50
_LEFT_ALONE = (PackageState.QUARANTINED, PackageState.REFUSED)


@dataclass
class RemovingHandlers:
    """Looks for what is due."""

    catalogue: Catalogue
    store: ByteStore
    clock: Clock
    settler: Settler

    def sweep(self) -> None:
        """Remove what is due. A crash before the commit leaves a package whose bytes are gone and due again: removing twice is once.

        What cannot be removed now does not keep the others; it is tried again.
        """
        for package in self.catalogue.due_removals(self.clock(), _AT_ONCE):
            try:
                self._remove(package.package_id)
            except OSError as error:
                log.error("package_bytes_not_removed", package_id=package.package_id, name=package.name, error=str(error))  # noqa: TRY400 - as it says

    def _remove(self, package_id: str) -> None:
        with self.catalogue.changing() as changes, self.settler.round(changes) as round_:
            package = changes.package(package_id)
            if package is None or not self._is_due(package):
                return
            if not changes.holds_blob(package.sha256.hex, package_id):
                self.store.remove_blob(package.sha256)
            round_.apply(package.name, [replace(package, bytes_here=False, remove_after=None)])
        log.info("package_bytes_removed", package_id=package_id, name=package.name, state=package.state.value)

    def _is_due(self, package: Package) -> bool:
        return package.bytes_here and package.remove_after is not None and package.remove_after <= self.clock()

    def find_lost(self) -> None:
        """After the database was restored: packages whose bytes are said to be here and are not, are so no longer."""
        lost: dict[str, list[str]] = {}
        after: str | None = None
        while found := self.catalogue.with_bytes(after, 500):
            after = found[-1].package_id
            for package in found:
                if not self.store.has_blob(package.sha256):
                    lost.setdefault(package.name, []).append(package.package_id)
        for name, package_ids in lost.items():
            self._lose(name, package_ids)

    def find_kept(self) -> None:
        """The other way round: packages whose bytes are here, and are not said to be. Those that are to go are due at once."""
        found: dict[str, list[Package]] = {}
        for package in self._without_bytes():
            if self.store.has_blob(package.sha256):
                found.setdefault(package.name, []).append(package)
        for name, packages in found.items():
            with self.catalogue.changing() as changes, self.settler.round(changes) as round_:
                round_.apply(name, [round_.accepted(package) for package in packages])

    def _without_bytes(self) -> Iterator[Package]:
        after: str | None = None
        while page := self.catalogue.outline(after, 500):
            after = page[-1].package_id
            yield from (one for one in page if not one.bytes_here and one.state not in _LEFT_ALONE)

    def _lose(self, name: str, package_ids: Sequence[str]) -> None:
        """All of a name at once: none of them can be shown in place of another."""
        with self.catalogue.changing() as changes, self.settler.round(changes) as round_:
            known = [package for one in package_ids if (package := changes.package(one))]
            round_.apply(name, [replace(package, bytes_here=False) for package in known])
        log.warning("package_bytes_missing", name=name, package_ids=list(package_ids))
