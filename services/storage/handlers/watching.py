"""Alarms of storage: a disk that fills up, packages in quarantine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from services.storage.domain.listing import Listing
from services.storage.domain.package import PackageState
from services.storage.ports import Catalogue, Clock
from shared.core.alarms import AlarmBook, AlarmKind, Condition, Severity, counted
from shared.runtime.bytestore.port import ByteStore

KINDS = (AlarmKind.DISK_LOW, AlarmKind.PACKAGE_QUARANTINED)
_QUARANTINED = Listing(states=frozenset({PackageState.QUARANTINED}))
_COUNTED = 100
"""Packages in quarantine that are counted; a few of them are named."""
_NAMED = 3


@dataclass
class WatchingHandlers:
    """Looks at what is there, and remembers what is the matter."""

    catalogue: Catalogue
    store: ByteStore
    alarms: AlarmBook
    clock: Clock
    disk_low_bytes: int

    def sweep(self) -> None:
        """Raise, repeat and clear."""
        self.alarms.note(KINDS, [*self._disk(), *self._quarantined()], self.clock())

    def list_alarms(self) -> dict[str, Any]:
        """The alarms that are raised, oldest first."""
        return {"items": [alarm.document for alarm in self.alarms.present()]}

    def figures(self) -> dict[str, float]:
        """How many there are of each kind."""
        return counted(self.alarms.present(), KINDS)

    def _disk(self) -> Iterator[Condition]:
        free = self.store.free_bytes()
        if free < self.disk_low_bytes:
            severity = Severity.WARNING if free else Severity.CRITICAL
            left = f"less than {self.disk_low_bytes >> 20} MiB can still be used" if free else "nothing more can be stored"
            yield Condition(AlarmKind.DISK_LOW, "data", severity, f"{left} on the data disk")

    def _quarantined(self) -> Iterator[Condition]:
        found, more = self.catalogue.page(_QUARANTINED, None, _COUNTED)
        if found:
            names = ", ".join(package.name for package in found[:_NAMED])
            detail = f"{len(found)}{' or more' if more else ''} in quarantine, their bytes were not what was signed: {names}"
            yield Condition(AlarmKind.PACKAGE_QUARANTINED, "packages", Severity.WARNING, detail + (", …" if len(found) > _NAMED else ""))
