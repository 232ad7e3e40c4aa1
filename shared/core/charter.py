"""Charters and rotations: what an instance says about itself, signed, so that instances far away can rely on it.

A charter names who may write about the packages of its author (stewards), whom it no longer trusts (revoked), which staging tags
it bears, and a census of what it has written. It is issued anew when something changes, and once in a while when nothing does:
an old one is a sign that the author is away or that somebody on the way withholds news (compare the timestamp role of TUF,
https://theupdateframework.github.io/specification/latest/). A rotation hands everything over from one key to the next.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from shared.core.clock import Stamp
from shared.core.documents import key_text, payload_of, read_key, read_payload, read_text
from shared.core.errors import RecordInvalid
from shared.core.identity import InstanceId
from shared.core.meta import NO_META
from shared.core.staging import Tags, read_tags

CHARTER_TYPE = "application/vnd.odst.charter+json"
CHARTER_SCHEMA = "odst.charter.v1"
ROTATION_TYPE = "application/vnd.odst.rotation+json"
ROTATION_SCHEMA = "odst.rotation.v1"
MAX_PAYLOAD_BYTES = 128 * 1024
"""Room for about a thousand stewards."""
_MAX_NAMED = 1000
_MAX_NAME = 60
_MAX_COUNT = 1 << 53
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Census:
    """How many records an instance has written about packages without tags, and the digest of all of them.

    Such packages may go everywhere, so whoever has read everything must come to the same figures; a hop that strips some cannot.
    """

    count: int = 0
    digest: str = NO_META


@dataclass(frozen=True, slots=True)
class Charter:
    """What an instance says about itself."""

    instance_id: InstanceId
    instance_key: bytes
    name: str
    tags: Tags
    stewards: tuple[tuple[InstanceId, Stamp | None], ...]
    """Who may write about its packages, and until when; who is dismissed stays named, for what was written before."""
    revoked: tuple[tuple[InstanceId, Stamp], ...]
    """Whom it no longer trusts, and since when: what they signed before stays."""
    census: Census
    stamp: Stamp

    def payload(self) -> bytes:
        """The bytes to sign."""
        return payload_of(
            {
                "schema": CHARTER_SCHEMA,
                "instance_id": str(self.instance_id),
                "instance_key": key_text(self.instance_key),
                "name": self.name,
                "tags": sorted(self.tags),
                "stewards": [{"instance_id": str(one), "until": str(until) if until else None} for one, until in self.stewards],
                "revoked": [{"instance_id": str(one), "since": str(since)} for one, since in self.revoked],
                "census": {"count": self.census.count, "digest": self.census.digest},
                "stamp": str(self.stamp),
            }
        )

    @classmethod
    def parse(cls, payload: bytes) -> Charter:
        """Read a payload whose signature the caller checks.

        Raises:
            RecordInvalid: if a field is missing or malformed.
        """
        return read_payload(payload, MAX_PAYLOAD_BYTES, CHARTER_SCHEMA, cls._from_fields)

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Charter:
        instance_id = InstanceId.parse(fields["instance_id"])
        stewards, revoked = fields["stewards"], fields["revoked"]
        if len(stewards) > _MAX_NAMED or len(revoked) > _MAX_NAMED:
            raise RecordInvalid(f"a charter names at most {_MAX_NAMED} instances")
        return cls(
            instance_id=instance_id,
            instance_key=read_key(fields["instance_key"], instance_id),
            name=read_text(fields["name"], _MAX_NAME),
            tags=read_tags(fields["tags"], bearer=True),
            stewards=tuple((InstanceId.parse(one["instance_id"]), _stamp_or_none(one["until"])) for one in stewards),
            revoked=tuple((InstanceId.parse(one["instance_id"]), Stamp.parse(one["since"])) for one in revoked),
            census=_census(fields["census"]),
            stamp=Stamp.parse(fields["stamp"]),
        )

    @property
    def relations(self) -> tuple[object, ...]:
        """What trust depends on: two charters with the same relations differ in news of no consequence."""
        return self.instance_id, frozenset(self.stewards), frozenset(self.revoked)


def _census(fields: dict[str, Any]) -> Census:
    count, digest = fields["count"], fields["digest"]
    if type(count) is not int or not 0 <= count < _MAX_COUNT or not _SHA256.fullmatch(digest):
        raise RecordInvalid("the census must be a count and a SHA-256")
    return Census(count, digest)


def _stamp_or_none(text: str | None) -> Stamp | None:
    return None if text is None else Stamp.parse(text)


@dataclass(frozen=True, slots=True)
class Rotation:
    """From `stamp` on, an instance signs with another key, and so has another id. Both keys sign this."""

    old: InstanceId
    old_key: bytes
    new: InstanceId
    new_key: bytes
    stamp: Stamp

    def payload(self) -> bytes:
        """The bytes to sign."""
        return payload_of(
            {
                "schema": ROTATION_SCHEMA,
                "old": str(self.old),
                "old_key": key_text(self.old_key),
                "new": str(self.new),
                "new_key": key_text(self.new_key),
                "stamp": str(self.stamp),
            }
        )

    @classmethod
    def parse(cls, payload: bytes) -> Rotation:
        """Read a payload whose signatures the caller checks.

        Raises:
            RecordInvalid: if a field is missing or malformed, or old and new are the same.
        """
        return read_payload(payload, 4096, ROTATION_SCHEMA, cls._from_fields)

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Rotation:
        old, new = InstanceId.parse(fields["old"]), InstanceId.parse(fields["new"])
        if old == new:
            raise RecordInvalid("a rotation is to another key")
        return cls(old, read_key(fields["old_key"], old), new, read_key(fields["new_key"], new), Stamp.parse(fields["stamp"]))
