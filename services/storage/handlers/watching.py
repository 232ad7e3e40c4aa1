"""Alarms of storage: a disk that fills up, packages in quarantine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.storage.domain.listing import Listing
from services.storage.domain.package import PackageState
from services.storage.ports import Catalogue, Clock
from shared.core.alarms import AlarmBook, AlarmKind, Condition, Severity
from shared.core.watching import Look, Watching
from shared.runtime.bytestore.port import ByteStore

_QUARANTINED = Listing(states=frozenset({PackageState.QUARANTINED}))
_COUNTED = 100
"""Packages in quarantine that are counted; a few of them are named."""
_NAMED = 3


@dataclass
class WatchingHandlers(Watching):
    """Looks at what is there, and remembers what is the matter."""

    catalogue: Catalogue
    store: ByteStore
    alarms: AlarmBook
    clock: Clock
    disk_low_bytes: int

    def looks(self) -> Mapping[AlarmKind, Look]:
        """Two kinds."""
        return {AlarmKind.DISK_LOW: self._disk, AlarmKind.PACKAGE_QUARANTINED: self._quarantined}

    def _disk(self, _now: dt.datetime) -> Iterator[Condition]:
        free = self.store.free_bytes()
        if free < self.disk_low_bytes:
            severity = Severity.WARNING if free else Severity.CRITICAL
            left = f"less than {self.disk_low_bytes >> 20} MiB can still be used" if free else "nothing more can be stored"
            yield Condition(AlarmKind.DISK_LOW, "data", severity, f"{left} on the data disk")

    def _quarantined(self, _now: dt.datetime) -> Iterator[Condition]:
        found, more = self.catalogue.page(_QUARANTINED, None, _COUNTED)
        if found:
            names = ", ".join(package.name for package in found[:_NAMED])
            detail = f"{len(found)}{' or more' if more else ''} in quarantine, their bytes were not what was signed: {names}"
            yield Condition(AlarmKind.PACKAGE_QUARANTINED, "packages", Severity.WARNING, detail + (", …" if len(found) > _NAMED else ""))
