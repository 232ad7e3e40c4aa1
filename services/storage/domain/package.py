"""A package as this instance knows it.

::

    (local upload) ───────────────▶ published ◀──▶ superseded      one published package a name
    (manifest of a peer) ▶ wanted ──▶ published | superseded
                              └─────▶ quarantined
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from enum import StrEnum

from shared.core.digest import Digest
from shared.core.manifest import Manifest


class PackageState(StrEnum):
    """Where a package is, here."""

    WANTED = "wanted"
    PUBLISHED = "published"
    SUPERSEDED = "superseded"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Package:
    """A manifest, its signed bytes, and what became of it here."""

    manifest: Manifest
    envelope: bytes
    state: PackageState
    correlation_id: str
    changed: dt.datetime
    received_from: str | None = None
    published: dt.datetime | None = None
    error_code: str | None = None
    error_reason: str | None = None

    @property
    def package_id(self) -> str:
        """The identity minted at the origin."""
        return self.manifest.package_id

    @property
    def name(self) -> str:
        """The file name."""
        return self.manifest.name.text

    @property
    def sha256(self) -> Digest:
        """By which its bytes are known."""
        return self.manifest.sha256

    @property
    def is_here(self) -> bool:
        """True if its verified bytes are here."""
        return self.state in (PackageState.PUBLISHED, PackageState.SUPERSEDED)

    def supersedes(self, other: Package) -> bool:
        """Of two packages with one name, the one with the greater precedence is current, on every instance alike."""
        return self.manifest.precedence > other.manifest.precedence

    def placed(self, now: dt.datetime, *, current: bool) -> Package:
        """Its bytes are here and verified."""
        state = PackageState.PUBLISHED if current else PackageState.SUPERSEDED
        return replace(self, state=state, published=self.published or now, error_code=None, error_reason=None)

    def superseded(self) -> Package:
        """Another package took its name."""
        return replace(self, state=PackageState.SUPERSEDED)

    def quarantined(self, code: str, reason: str) -> Package:
        """Its bytes were refused."""
        return replace(self, state=PackageState.QUARANTINED, error_code=code, error_reason=reason)


def creation_time(now: dt.datetime, current: Package | None) -> dt.datetime:
    """Creation time of a new package: whole seconds, and later than the one that it supersedes."""
    stamp = now.replace(microsecond=0)
    if current is None or current.manifest.created < stamp:
        return stamp
    return current.manifest.created + dt.timedelta(seconds=1)
