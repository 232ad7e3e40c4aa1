"""A package as this instance knows it: its manifest, what its meta records say, and what became of it here.

::

    (local upload) ───────────────▶ published ◀──▶ superseded      one published package a name
    (record of a peer) ───▶ wanted ──▶ published
            │                 └──────▶ quarantined
            ├──▶ superseded            never fetched: something greater has the name
            ├──▶ deleted               a signed tombstone; the bytes are in the trash for a time
            └──▶ withheld              not for this instance

Which of them it is, is decided in `settling`, for all packages of one name at once.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from shared.core.clock import Stamp
from shared.core.digest import Digest
from shared.core.manifest import Manifest
from shared.core.meta import NO_META
from shared.core.staging import EVERY_TAG, Tags, entitled

UNTAGGED = "."
"""Stands in `ever` for the time when a package had no tags."""


class PackageState(StrEnum):
    """Where a package is, here."""

    WANTED = "wanted"
    PUBLISHED = "published"
    SUPERSEDED = "superseded"
    QUARANTINED = "quarantined"
    DELETED = "deleted"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class View:
    """What a registration lets a peer see: tags that it bears in our eyes, now and ever."""

    tags: Tags
    ever: Tags
    number: int = 0
    """Rises with each change of `tags`, so that the peer reads the feed anew."""

    @classmethod
    def of(cls, document: dict[str, object] | None) -> View:
        """The view in a call; without one, everything is seen."""
        if document is None:
            return cls(frozenset({EVERY_TAG}), frozenset({EVERY_TAG}))
        tags, ever, number = document["tags"], document["ever"], document["number"]
        assert isinstance(tags, list)
        assert isinstance(ever, list)
        assert isinstance(number, int)
        return cls(frozenset(map(str, tags)), frozenset(map(str, ever)), number)


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
    tags: Tags = frozenset()
    """As its meta records have them now."""
    ever: Tags = frozenset({UNTAGGED})
    """Every tag that it ever had here, and `.` if it ever had none: who may have seen it."""
    deleted: Stamp | None = None
    raised: Stamp | None = None
    meta_digest: str = NO_META
    gone: bool = False
    """No peer shows it to us any more, because we may not see it."""
    bytes_here: bool = False
    remove_after: dt.datetime | None = None
    """When its bytes are no longer to be kept; none while they are."""
    rung: dt.datetime | None = None
    """When replication was last told that it is wanted."""

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
    def manifest_digest(self) -> str:
        """SHA-256 of the envelope, in hex, as the change feed has it."""
        return hashlib.sha256(self.envelope).hexdigest()

    @property
    def is_offered(self) -> bool:
        """True if peers can have its bytes here."""
        return self.bytes_here and self.state in (PackageState.PUBLISHED, PackageState.SUPERSEDED)

    @property
    def precedence(self) -> tuple[Stamp, str]:
        """Of two packages with one name, the greater one is current: when it was made or raised last, on every instance alike."""
        made = Stamp.of(self.manifest.created)
        return max(made, self.raised or made), self.package_id

    @property
    def seen_by_peers(self) -> tuple[object, ...]:
        """When this differs, the change feed has news."""
        return self.manifest.revision, self.meta_digest, self.tags, self.is_offered

    def may_go_to(self, view: View) -> bool:
        """True if a registration lets its peer see this package."""
        return entitled(self.tags, view.tags)

    def quarantined(self, code: str, reason: str) -> Package:
        """Its bytes were refused."""
        return replace(self, state=PackageState.QUARANTINED, error_code=code, error_reason=reason, rung=None)


def may_have_seen(ever: Tags, view: View) -> bool:
    """True if a peer may have been shown a package that ever had these tags."""
    return UNTAGGED in ever or EVERY_TAG in view.ever or not ever.isdisjoint(view.ever)


def creation_time(now: dt.datetime, seen: Iterable[Stamp]) -> dt.datetime:
    """Creation time of a package that is to supersede what was made or raised at these moments: whole seconds, later than all."""
    stamp, latest = now.replace(microsecond=0), max(seen, default=None)
    if latest is None or latest.time.replace(microsecond=0) < stamp:
        return stamp
    return latest.time.replace(microsecond=0) + dt.timedelta(seconds=1)


def already_here(named: Iterable[Package], sha256: str) -> Package | None:
    """Of all packages of a name, the published one, if an upload of these bytes under that name would change nothing.

    It would, if something greater is on its way here that is to take the name.
    """
    known = list(named)
    current = next((one for one in known if one.state is PackageState.PUBLISHED), None)
    if current is None or current.sha256.hex != sha256:
        return None
    outranked = any(one.state is PackageState.WANTED and one.precedence > current.precedence for one in known)
    return None if outranked else current
