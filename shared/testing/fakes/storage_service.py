"""Replication's view of storage, in memory: what it knows, wants, and refuses."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.replication.domain.catalogue import WANTED, Holding, Outline, WhoIsWho
from services.replication.domain.records import CHARTER, PACKAGE, ROTATION, FeedItem, Key, Records, Refusal, claimed_id
from shared.core.errors import NotFound
from shared.core.meta import digest_of
from shared.core.staging import entitled
from shared.testing.builders import Signed

_MOST_HOLDINGS = 200
"""As storage: more are not answered."""


def version_of(manifest: str, meta: Iterable[str]) -> tuple[str, str]:
    """The two digests of a package's records, as in the feed."""
    return _sha256(manifest), digest_of(_sha256(envelope) for envelope in meta)


def bucket_digests(versions: Mapping[str, tuple[str, str]]) -> list[str]:
    """256 digests, as in `GET /buckets`."""
    lines: dict[int, list[str]] = {number: [] for number in range(256)}
    for package_id, (digest, meta) in sorted(versions.items()):
        lines[int(package_id[:2], 16)].append(f"{package_id} {digest} {meta}\n")
    return [hashlib.sha256("".join(lines[number]).encode()).hexdigest() for number in range(256)]


def _sha256(envelope: str) -> str:
    return hashlib.sha256(base64.b64decode(envelope)).hexdigest()


@dataclass
class FakeStorageService:
    """`StorageService` in memory. `refuses` holds what offering a manifest raises, `refuses_records` what is said of a record."""

    envelopes: dict[str, bytes] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    offered: list[tuple[bytes, str]] = field(default_factory=list)
    refuses: dict[bytes, Exception] = field(default_factory=dict)
    given_up: list[tuple[str, str]] = field(default_factory=list)
    position: tuple[str, int] = ("our-epoch", 7)
    manifests: dict[str, str] = field(default_factory=dict)
    metas: dict[str, set[str]] = field(default_factory=dict)
    others: dict[Key, str] = field(default_factory=dict)
    """Charters and rotations."""
    refuses_records: dict[Key, tuple[str, str]] = field(default_factory=dict)
    fails: Exception | None = None
    batches: list[tuple[Records, str]] = field(default_factory=list)
    rung: list[str] = field(default_factory=list)
    withdrawn: list[tuple[str, str]] = field(default_factory=list)
    declared: list[tuple[list[Mapping[str, str | None]], list[Mapping[str, str]]]] = field(default_factory=list)
    admitted: list[Mapping[str, str]] = field(default_factory=list)
    catalogue: list[Outline] = field(default_factory=list)
    borne: dict[str, Collection[str]] = field(default_factory=dict)
    present_ids: dict[str, str] = field(default_factory=dict)
    revoked: dict[str, str] = field(default_factory=dict)
    """Whom stewards have revoked, and which."""

    def wants(self, *packages: Signed) -> None:
        """These are wanted."""
        self.envelopes |= {package.package_id: package.envelope for package in packages}
        self.states |= dict.fromkeys((package.package_id for package in packages), WANTED)

    def state_of(self, package_id: str) -> str | None:
        """State of a package there."""
        return self.states.get(package_id)

    def offer_manifest(self, envelope: bytes, peer_id: str) -> str:
        """Take a manifest, or refuse it."""
        if envelope in self.refuses:
            raise self.refuses[envelope]
        self.offered.append((envelope, peer_id))
        return WANTED

    def manifest(self, package_id: str) -> bytes:
        """The envelope of a package that is wanted."""
        if package_id not in self.envelopes:
            raise NotFound(f"there is no package {package_id} here")
        return self.envelopes[package_id]

    def feed_position(self) -> tuple[str, int]:
        """Epoch and highest number of our own feed."""
        return self.position

    def give_up(self, package_id: str, code: str, reason: str) -> None:  # noqa: ARG002 - the reason is for people
        """This package cannot be had."""
        self.given_up.append((package_id, code))

    def compare_records(self, items: Sequence[FeedItem]) -> set[Key]:
        """What is unknown or different."""
        return {item.key for item in items if self._version(item.key) != item.version}

    def ring_wanted(self, package_ids: Sequence[str]) -> None:
        """Remember who has a source now."""
        self.rung.extend(package_ids)

    def _version(self, key: Key) -> str | None:
        kind, record_id = key
        if kind == PACKAGE:
            version = self.versions().get(record_id)
            return ".".join(version) if version else None
        return _sha256(self.others[key]) if key in self.others else None

    def versions(self) -> dict[str, tuple[str, str]]:
        """All packages that are known by records."""
        return {one: version_of(manifest, self.metas.get(one, ())) for one, manifest in self.manifests.items()}

    def offer_records(self, records: Records, peer_id: str) -> Sequence[Refusal]:
        """Take what is not to be refused."""
        if self.fails is not None:
            raise self.fails
        self.batches.append((records, peer_id))
        for package in records.packages:
            if (PACKAGE, package.id) not in self.refuses_records:
                self.manifests |= {package.id: package.manifest} if package.manifest else {}
                self.metas.setdefault(package.id, set()).update(package.meta)
        for kind, envelopes in ((CHARTER, records.charters), (ROTATION, records.rotations)):
            taken = {(kind, claimed_id(one)): one for one in envelopes}
            self.others |= {key: one for key, one in taken.items() if key not in self.refuses_records}
        return [Refusal(key, *self.refuses_records[key]) for key in sorted(records.keys & self.refuses_records.keys())]

    def read_rotations(self) -> Sequence[bytes]:
        """All that are known."""
        return [base64.b64decode(one) for (kind, _), one in self.others.items() if kind == ROTATION]

    def withdraw_packages(self, package_ids: Sequence[str], peer_id: str) -> None:
        """Nobody shows these any more."""
        self.withdrawn += [(package_id, peer_id) for package_id in package_ids]

    def holdings(self, package_ids: Sequence[str], tags: Collection[str] | None = None) -> dict[str, Holding]:
        """What is in the catalogue, or has a state."""
        package_ids = list(package_ids)[:_MOST_HOLDINGS]
        listed = {one.package_id: one for one in self.catalogue if tags is None or entitled(one.tags, tags)}
        found = {one: Holding(listed[one].state, listed[one].bytes_here) for one in package_ids if one in listed}
        states = {one: self.states[one] for one in package_ids if one in self.states}
        return {one: Holding(state, state in ("published", "superseded")) for one, state in states.items()} | found

    def show(self, reference: str) -> Outline:
        """A package of the catalogue."""
        for outline in self.catalogue:
            if outline.package_id == reference:
                return outline
        raise NotFound(f"there is no package {reference} here")

    def outlines(self, after: str | None) -> tuple[Sequence[Outline], str | None]:
        """Two at a time."""
        listed = sorted((one for one in self.catalogue if one.package_id > (after or "")), key=lambda one: one.package_id)
        return listed[:2], listed[1].package_id if len(listed) > 2 else None  # noqa: PLR2004 - a page

    def digest_buckets(self, shown: Collection[str], seen: Collection[str]) -> Sequence[str]:  # noqa: ARG002 - nothing here is tagged
        """Digests of what is known."""
        return bucket_digests(self.versions())

    def list_bucket(self, number: int, shown: Collection[str], seen: Collection[str]) -> dict[str, tuple[str, str]]:  # noqa: ARG002
        """What is known, of one bucket."""
        return {one: version for one, version in self.versions().items() if int(one[:2], 16) == number}

    def declare_peers(
        self, stewards: Sequence[Mapping[str, str | None]], revoked: Sequence[Mapping[str, str]], registered: Sequence[Mapping[str, str]]
    ) -> None:
        """Remember what was declared."""
        self.admitted = list(registered)
        if self.fails is not None:
            raise self.fails
        self.declared.append((list(stewards), list(revoked)))

    def revoked_among(self, instance_ids: Sequence[str]) -> Mapping[str, str]:
        """By the word of stewards."""
        if self.fails is not None:
            raise self.fails
        return {one: self.revoked[one] for one in instance_ids if one in self.revoked}

    def who_is_who(self) -> WhoIsWho:
        """By their own word."""
        return WhoIsWho(self.borne, self.present_ids)
