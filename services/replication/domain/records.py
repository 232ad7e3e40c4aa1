"""Signed records on their way from a peer to storage: what a feed says, what is asked for, what was refused.

Replication opens none of them: storage decides. Here they are named by kind and id, and their version is a digest.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

PACKAGE, RECORD, GONE, CHARTER, ROTATION = "package", "record", "gone", "charter", "rotation"
"""Kinds of feed items. `record` is a package whose bytes cannot be had there; `gone` is one that we may no longer see."""
ALL = ("*",)
"""Instead of ids: every charter, or every rotation."""
NOT_DELIVERED = "NOT_DELIVERED"
"""Code of a record that the feed named and the peer did not give."""
FORGED = frozenset({"RECORD_INVALID", "MANIFEST_INVALID"})
"""Codes that no later knowledge can change: such bytes are never asked for again."""
_FIRST_WAIT, _LONGEST_WAIT = dt.timedelta(seconds=30), dt.timedelta(hours=1)
_MOST_DOUBLINGS = 10
_T = TypeVar("_T")

Key = tuple[str, str]
"""Kind (package, charter or rotation) and id of a record. A package's record is its manifest with its meta records."""


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One row of a peer's change feed."""

    kind: str
    id: str
    digest: str = ""
    meta: str | None = None
    stamp: str | None = None

    @property
    def key(self) -> Key:
        """The record that it is about."""
        return (self.kind, self.id) if self.kind in (CHARTER, ROTATION) else (PACKAGE, self.id)

    @property
    def version(self) -> str:
        """Equal only if the record is the same to the byte."""
        return f"{self.digest}.{self.meta}" if self.meta else self.digest


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A page of a peer's change feed, in order, and the cursor after it."""

    epoch: str
    items: tuple[FeedItem, ...]
    next: int
    more: bool
    protocol: int = 1
    """The version of the peer protocol that the page is written in."""

    def ids(self, *kinds: str) -> list[str]:
        """Ids of the items of these kinds."""
        return [item.id for item in self.items if item.kind in kinds]


@dataclass(frozen=True, slots=True)
class PackageRecords:
    """A manifest (none if the package is gone for us) and all meta records of a package: envelopes in base64, unopened."""

    id: str
    manifest: str | None
    meta: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Records:
    """What a peer gave: envelopes in base64, unopened."""

    packages: tuple[PackageRecords, ...] = ()
    charters: tuple[str, ...] = ()
    rotations: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """False if there is nothing in it."""
        return bool(self.packages or self.charters or self.rotations)

    def only(self, wanted: set[Key]) -> Records:
        """Those that were asked for, each package once."""
        packages = {one.id: one for one in self.packages if (PACKAGE, one.id) in wanted}
        return Records(
            tuple(packages.values()),
            tuple(one for one in self.charters if (CHARTER, claimed_id(one)) in wanted),
            tuple(one for one in self.rotations if (ROTATION, claimed_id(one)) in wanted),
        )

    @property
    def keys(self) -> set[Key]:
        """What they claim to be."""
        return (
            {(PACKAGE, one.id) for one in self.packages}
            | {(CHARTER, claimed_id(one)) for one in self.charters}
            | {(ROTATION, claimed_id(one)) for one in self.rotations}
        )


def claimed_id(envelope: str) -> str:
    """Whom a charter or a rotation says to be about; empty if it cannot be read. Nothing is verified here."""
    try:
        payload = json.loads(base64.b64decode(json.loads(base64.b64decode(envelope))["payload"]))
        return str(payload.get("instance_id") or payload.get("old") or "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that storage did not take, and why."""

    key: Key
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """A record of a peer that was not taken: tried again later, or never (`final`) in this version."""

    peer_id: str
    key: Key
    version: str
    code: str
    reason: str
    first_seen: dt.datetime
    next_try: dt.datetime
    attempts: int = 1

    @property
    def final(self) -> bool:
        """True if it is forged."""
        return self.code in FORGED

    def again(self, code: str, reason: str, now: dt.datetime) -> Deferred:
        """It was tried once more, in vain: the next try is twice as far away, an hour at most."""
        wait = min(_FIRST_WAIT * 2 ** min(self.attempts, _MOST_DOUBLINGS), _LONGEST_WAIT)
        return replace(self, code=code, reason=reason, next_try=now + wait, attempts=self.attempts + 1)

    @classmethod
    def first(cls, peer_id: str, refusal: Refusal, version: str, now: dt.datetime) -> Deferred:
        """It was refused for the first time."""
        return cls(peer_id, refusal.key, version, refusal.code, refusal.reason, now, now + _FIRST_WAIT)


Versions = Mapping[str, tuple[str, str]]
"""Digests of manifest and meta records, by package id."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """A peer's digests of all packages that it shows us, in 256 parts."""

    epoch: str
    tags: tuple[str, ...]
    """Staging tags that the peer lets us see."""
    digests: tuple[str, ...]


def unlike(ours: Versions, theirs: Versions) -> dict[str, tuple[str, str]]:
    """What they have and we lack or have differently, in their version."""
    return {package_id: version for package_id, version in theirs.items() if ours.get(package_id) != version}


def portions(values: Iterable[_T], size: int) -> Iterator[Sequence[_T]]:
    """`values` in lists of at most `size`."""
    listed = list(values)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]
