"""Meta records: the mutable facts about a package, each signed by who wrote it.

One record is about one field of one package. Every author's latest word on a field is kept; which one counts is decided by
`shared.core.trust` (who may) and by the greatest (stamp, author) among those. Deleting and retagging are different fields, so a
tag that is written on the other side of a cut never brings back what was deleted.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.core.clock import Stamp
from shared.core.digest import Digest
from shared.core.documents import key_text, payload_of, read_key, read_payload, read_text
from shared.core.errors import RecordInvalid
from shared.core.identity import InstanceId
from shared.core.staging import Tags, read_tags

PAYLOAD_TYPE = "application/vnd.odst.meta+json"
SCHEMA = "odst.meta.v1"
MAX_PAYLOAD_BYTES = 4096
MAX_PERSON = 120

MetaValue = tuple[str, ...] | bool
"""Sorted tags, or a truth."""


class MetaField(StrEnum):
    """What a record is about."""

    TAGS = "tags"
    """Value: the package's staging tags."""
    DELETED = "deleted"
    """Value: true is the tombstone, false brings the package back."""
    RAISED = "raised"
    """Value: true. The package is to be current for its name as if it were made at the record's stamp."""


@dataclass(frozen=True, slots=True)
class MetaRecord:
    """One author's word on one field of one package. `value` is a tuple of sorted tags, or a truth."""

    package_id: str
    field: MetaField
    value: MetaValue
    stamp: Stamp
    author: InstanceId
    author_key: bytes
    person: str
    """Who asked for it, at the author's instance."""
    replaces: str | None = None
    """Digest of the record that counted when this was written: who names it knew of it, so there is no conflict between the two."""

    def payload(self) -> bytes:
        """The bytes to sign."""
        fields = {
            "schema": SCHEMA,
            "package_id": self.package_id,
            "field": self.field.value,
            "value": list(self.value) if isinstance(self.value, tuple) else self.value,
            "stamp": str(self.stamp),
            "author": str(self.author),
            "author_key": key_text(self.author_key),
            "person": self.person,
        }
        return payload_of(fields | ({"replaces": self.replaces} if self.replaces else {}))

    @classmethod
    def parse(cls, payload: bytes) -> MetaRecord:
        """Read a payload whose signature the caller checks.

        Raises:
            RecordInvalid: if a field is missing or malformed.
        """
        return read_payload(payload, MAX_PAYLOAD_BYTES, SCHEMA, cls._from_fields)

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> MetaRecord:
        author, field = InstanceId.parse(fields["author"]), MetaField(fields["field"])
        return cls(
            package_id=str(uuid.UUID(fields["package_id"])),
            field=field,
            value=_value(field, fields["value"]),
            stamp=Stamp.parse(fields["stamp"]),
            author=author,
            author_key=read_key(fields["author_key"], author),
            person=read_text(fields["person"], MAX_PERSON),
            replaces=_digest_or_none(fields.get("replaces")),
        )

    @property
    def key(self) -> tuple[MetaField, InstanceId]:
        """Of records with the same key, only the latest is kept."""
        return self.field, self.author

    @property
    def order(self) -> tuple[Stamp, str]:
        """The greatest wins, on every instance alike."""
        return self.stamp, self.author.text

    @property
    def tags(self) -> Tags:
        """The value of a record about tags."""
        return frozenset(self.value) if isinstance(self.value, tuple) else frozenset()


def _digest_or_none(text: object) -> str | None:
    return None if text is None else Digest.parse(f"sha256:{text}").hex


def _value(field: MetaField, value: object) -> MetaValue:
    if field is MetaField.TAGS:
        return tuple(sorted(read_tags(value)))
    if not isinstance(value, bool) or (field is MetaField.RAISED and not value):
        raise RecordInvalid(f"{field.value} must be {'true' if field is MetaField.RAISED else 'true or false'}")
    return value


def digest_of(record_digests: Iterable[str]) -> str:
    """One digest for a set of records, whatever their order: SHA-256 over their hex digests, sorted, a line each."""
    return hashlib.sha256("\n".join(sorted(record_digests)).encode()).hexdigest()


NO_META = digest_of(())
"""The digest of a package about which nobody wrote anything."""
