"""What a peer under test says that it has: packages, records about them, charters and rotations, and the feed of all of it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from shared.core.digest import CHUNK_SIZE, ChunkDigests
from shared.core.manifest import Manifest
from shared.core.meta import digest_of

_BUCKETS = 256


@dataclass(frozen=True)
class PeerPackage:
    """A package that a peer says it has. The parts need not fit each other."""

    manifest: Manifest
    envelope: bytes
    chunks: ChunkDigests
    data: bytes
    meta: tuple[bytes, ...] = ()
    """Envelopes of what was said about it."""
    offered: bool = True
    """False if its bytes cannot be had here."""

    @property
    def package_id(self) -> str:
        """Its id."""
        return self.manifest.package_id

    @property
    def feed_item(self) -> dict[str, Any]:
        """What the feed says of it."""
        return {
            "kind": "package" if self.offered else "record",
            "id": self.package_id,
            "rev": self.manifest.revision,
            "digest": sha256(self.envelope),
            "meta": digest_of(map(sha256, self.meta)),
        }

    @property
    def bucket_item(self) -> dict[str, str]:
        """Its line in a bucket."""
        item = self.feed_item
        return {"id": item["id"], "digest": item["digest"], "meta": item["meta"]}


@dataclass
class PeerCatalogue:
    """All that a peer has; every list may be changed by a test at any time, and the feed follows."""

    epoch: str = field(default_factory=lambda: secrets.token_hex(8))
    packages: list[PeerPackage] = field(default_factory=list)
    charters: list[bytes] = field(default_factory=list)
    """Envelopes."""
    rotations: list[bytes] = field(default_factory=list)
    """Envelopes."""
    gone: list[str] = field(default_factory=list)
    """Package ids of which the feed says `gone`."""
    _numbers: dict[tuple[str, str], tuple[dict[str, Any], int]] = field(default_factory=dict)
    _last: int = 0

    def package(self, package_id: str) -> PeerPackage | None:
        """One by its id."""
        return next((package for package in self.packages if package.package_id == package_id), None)

    def replace_charter(self, instance_id: str, envelope: bytes) -> None:
        """The latest of an instance."""
        self.charters[:] = [one for one in self.charters if payload_of(one)["instance_id"] != instance_id] + [envelope]

    def rows(self) -> list[dict[str, Any]]:
        """The feed: what changed since it was read last has a new number."""
        numbered = []
        for item in self._items():
            place = ("package" if item["kind"] in ("record", "gone") else item["kind"], item["id"])
            known, seq = self._numbers.get(place, (None, 0))
            if known != item:
                self._last += 1
                seq = self._last
                self._numbers[place] = item, seq
            numbered.append({"seq": seq, **item})
        return sorted(numbered, key=lambda row: int(row["seq"]))

    def page(self, epoch: str, since: int, limit: int) -> dict[str, Any]:
        """A page of the feed; from the start for a reader that knows another epoch."""
        left = [row for row in self.rows() if row["seq"] > (since if epoch == self.epoch else 0)]
        items = left[:limit]
        following = items[-1]["seq"] if items else since if epoch == self.epoch else 0
        return {"epoch": self.epoch, "items": items, "next": following, "more": len(left) > limit}

    def buckets(self) -> list[str]:
        """The digests of the drift check, over everything."""
        lines = [[f"{item['id']} {item['digest']} {item['meta']}\n" for item in self.bucket(number)] for number in range(_BUCKETS)]
        return [sha256("".join(bucket).encode()) for bucket in lines]

    def bucket(self, number: int) -> list[dict[str, str]]:
        """The packages of one bucket."""
        shown = (package for package in self.packages if package.package_id not in self.gone)
        here = (package.bucket_item for package in shown if int(package.package_id[:2], 16) == number)
        return sorted(here, key=lambda item: item["id"])

    def _items(self) -> Iterator[dict[str, Any]]:
        yield from ({"kind": "gone", "id": package_id} for package_id in self.gone)
        yield from (package.feed_item for package in self.packages if package.package_id not in self.gone)
        for kind, subject, envelopes in (("charter", "instance_id", self.charters), ("rotation", "old", self.rotations)):
            for envelope in envelopes:
                payload = payload_of(envelope)
                yield {"kind": kind, "id": payload[subject], "rev": 0, "digest": sha256(envelope), "stamp": payload["stamp"]}


def payload_of(envelope: bytes) -> dict[str, Any]:
    """What an envelope holds, unverified."""
    payload: dict[str, Any] = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    return payload


def sha256(data: bytes) -> str:
    """In hex."""
    return hashlib.sha256(data).hexdigest()


def chunk_digests_of(data: bytes) -> ChunkDigests:
    """The right list for these bytes."""
    chunks = (data[at : at + CHUNK_SIZE] for at in range(0, len(data), CHUNK_SIZE))
    return ChunkDigests(b"".join(hashlib.sha1(chunk, usedforsecurity=False).digest() + hashlib.sha256(chunk).digest() for chunk in chunks))
