"""Settling names: the one way by which what is known about packages becomes what is here, public, wanted and told.

Everything happens in the transaction of its cause. Linking into the public folder is done there too: a crash before the commit
leaves a link that the next settling of the name finds right, or replaces.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from services.storage.domain.package import Package, PackageState
from services.storage.domain.settling import GonePolicy, House, settle
from services.storage.ports import Catalogue, Changes, Clock, FeedRow
from shared.contracts import events
from shared.core.errors import ManifestInvalid
from shared.runtime.bytestore.port import ByteStore
from shared.runtime.logging import get_logger

log = get_logger(__name__)
_WITHDRAWN = (PackageState.WITHHELD, PackageState.REFUSED)
WANTED_AT_ONCE = 64
"""Wanted packages that replication is told of at a time; the others wait for the sweep."""


@dataclass
class Settler:
    """Knows the rules of the house, and how to carry them out. `house` is asked anew in each round."""

    catalogue: Catalogue
    store: ByteStore
    clock: Clock
    house: Callable[[], House]
    wanted_at_once: int = WANTED_AT_ONCE
    stale: dt.timedelta = dt.timedelta(seconds=20)
    """After so long without its bytes, a package that was rung makes room for another one: nobody may have it now."""

    def rung_before(self) -> dt.datetime:
        """What was rung before then is to be rung again."""
        return self.clock() - self.stale

    def room(self, changes: Changes) -> int:
        """Of how many wanted packages replication may be told now."""
        return self.wanted_at_once - changes.rung_wanted(self.rung_before())

    @contextmanager
    def round(self, changes: Changes, received_from: str | None = None) -> Iterator[Round]:
        """Settle names within a transaction; at its end, peers but the one that it came from are to hear of it, if there is news."""
        one = Round(self, changes, received_from)
        yield one
        if one.news:
            changes.dispatch(events.CatalogueChangedV1(received_from=received_from))


@dataclass
class Round:
    """The settling in one transaction."""

    settler: Settler
    changes: Changes
    received_from: str | None
    news: bool = False
    _room: int | None = field(default=None, init=False)

    @cached_property
    def _house(self) -> House:
        return self.settler.house()

    def apply(self, name: str, updates: Iterable[Package]) -> MappingProxyType[str, Package]:
        """Let these packages of one name be as given, settle the name, and let all follow; every package of the name, by id."""
        before = {package.package_id: package for package in self.changes.named(name)}
        known = before | {package.package_id: package for package in updates}
        settled = self._without_blobs_lost(self._with_blobs_found(known))
        for package in settled.values():
            self._save(before.get(package.package_id), package)
        self._link(settled)
        return MappingProxyType(settled)

    def _with_blobs_found(self, known: dict[str, Package]) -> dict[str, Package]:
        """What is wanted and here already, under whatever name, need not be moved."""
        house, now = self._house, self.settler.clock()
        settled = {package.package_id: package for package in settle(known.values(), house, now)}
        found = [one for one in settled.values() if one.state is PackageState.WANTED and self.settler.store.has_blob(one.sha256)]
        if not found:
            return settled
        for package in found:
            settled[package.package_id] = self.accepted(package)
        return {package.package_id: package for package in settle(settled.values(), house, now)}

    def _without_blobs_lost(self, settled: dict[str, Package]) -> dict[str, Package]:
        """A database that was restored may take bytes to be here that are not: nobody is shown what is not there."""
        while lost := [
            one for one in settled.values() if one.state is PackageState.PUBLISHED and not self.settler.store.has_blob(one.sha256)
        ]:
            log.warning("package_bytes_missing", name=lost[0].name, package_id=lost[0].package_id)
            known = settled | {one.package_id: replace(one, bytes_here=False) for one in lost}
            settled = {package.package_id: package for package in settle(known.values(), self._house, self.settler.clock())}
        return settled

    def accepted(self, package: Package) -> Package:
        """A package whose bytes are here, whoever brought them: it has them, unless its manifest contradicts them."""
        fault = contradiction(package, self.settler.store, self.settler.catalogue)
        if fault is None:
            return replace(package, bytes_here=True)
        log.error("package_quarantined", package_id=package.package_id, code=ManifestInvalid.default_code, reason=fault)
        told = events.PackageQuarantinedV1(
            package_id=package.package_id,
            name=package.name,
            code=ManifestInvalid.default_code,
            reason=fault[:500],
            tags=tuple(sorted(package.tags)),
        )
        self.changes.dispatch(told)
        return package.quarantined(ManifestInvalid.default_code, fault[:500])

    def _save(self, before: Package | None, after: Package) -> None:
        if before == after:
            return
        after = self._rung(after)
        self.changes.save_package(replace(after, changed=self.settler.clock()))
        if before is None or before.seen_by_peers != after.seen_by_peers or before.envelope != after.envelope:
            self.changes.stamp(feed_row(after))
            self.news = True
        for event in _consequences(before, after, self._house.gone_policy.value):
            self.changes.dispatch(event)
            log.info(event.type.removesuffix(".v1").replace(".", "_"), package_id=after.package_id, name=after.name)

    def _rung(self, package: Package) -> Package:
        """Replication is told of what is wanted, as long as it has not too much to do."""
        if package.state is not PackageState.WANTED or package.rung is not None:
            return package
        if self._room is None:
            self._room = self.settler.room(self.changes)
        if self._room <= 0:
            return package
        self._room -= 1
        self.changes.dispatch(wanted(package))
        return replace(package, rung=self.settler.clock())

    def _link(self, settled: dict[str, Package]) -> None:
        shown = next((one for one in settled.values() if one.state is PackageState.PUBLISHED), None)
        if shown is not None:
            self.settler.store.publish(shown.sha256, shown.manifest.name)
        elif settled:
            # Also if nothing was published by this name: a database that was restored does not know what is linked.
            self.settler.store.unpublish(next(iter(settled.values())).manifest.name)


def _consequences(before: Package | None, after: Package, policy: str) -> Iterator[events.Event]:
    was = before.state if before else None
    came = after.bytes_here and not (before and before.bytes_here)
    if after.state is PackageState.PUBLISHED and was is not PackageState.PUBLISHED:
        yield _published(after, current=True)
    elif after.state is PackageState.SUPERSEDED and came:
        yield _published(after, current=False)
    elif after.state in _WITHDRAWN and was in (PackageState.PUBLISHED, PackageState.WANTED):
        policy = GonePolicy.HIDE.value if after.is_refused and policy == GonePolicy.KEEP else policy
        yield events.PackageWithdrawnV1(package_id=after.package_id, name=after.name, policy=policy, tags=tuple(sorted(after.tags)))


def _published(package: Package, *, current: bool) -> events.PackagePublishedV1:
    return events.PackagePublishedV1(
        package_id=package.package_id,
        name=package.name,
        size=package.manifest.size,
        sha256=package.sha256.hex,
        origin=str(package.manifest.origin),
        received_from=package.received_from,
        current=current,
        tags=tuple(sorted(package.tags)),
    )


def wanted(package: Package) -> events.PackageWantedV1:
    """What replication is told."""
    return events.PackageWantedV1(
        package_id=package.package_id, name=package.name, size=package.manifest.size, tags=tuple(sorted(package.tags))
    )


def feed_row(package: Package) -> FeedRow:
    """A package's row of the change feed."""
    return FeedRow(0, "package", package.package_id, package.manifest.revision, package.manifest_digest)


def contradiction(package: Package, store: ByteStore, catalogue: Catalogue) -> str | None:
    """Why a manifest does not fit the bytes with the SHA-256 that it names, if they are here; None if it does."""
    chunks = store.read_blob_chunks(package.sha256)
    if chunks is None:
        return None
    try:
        package.manifest.check_chunk_list(chunks)
    except ManifestInvalid as error:
        return f"its chunk digests do not fit the bytes with the SHA-256 that it names: {error}"
    twin = catalogue.with_sha256(package.sha256.hex)
    if twin and (twin.manifest.sha1, twin.manifest.size) != (package.manifest.sha1, package.manifest.size):
        return "its SHA-1 or size does not fit the bytes with the SHA-256 that it names"
    return None
