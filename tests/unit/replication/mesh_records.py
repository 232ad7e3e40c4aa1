"""Signed records for tests of replication, which opens none of them but rotations."""

from __future__ import annotations

from shared.core.charter import Census, Charter, Rotation
from shared.core.clock import Stamp
from shared.core.meta import MetaField, MetaRecord
from shared.runtime.keys import InstanceKey
from shared.testing.builders import ORIGIN, Signed
from shared.testing.fakes.clock import NOON


def a_meta(package: Signed, *, counter: int = 0, author: InstanceKey = ORIGIN) -> bytes:
    """Somebody's word on the tags of a package."""
    stamp = Stamp(Stamp.of(NOON).milliseconds, counter)
    record = MetaRecord(package.package_id, MetaField.TAGS, ("test",), stamp, author.instance_id, author.public_bytes, "admin")
    return author.sign_meta(record)


def a_charter(author: InstanceKey) -> bytes:
    """What an instance says of itself."""
    return author.sign_charter(Charter(author.instance_id, author.public_bytes, "A", frozenset(), (), (), Census(), Stamp.of(NOON)))


def a_rotation(old: InstanceKey, new: InstanceKey | None = None) -> tuple[str, bytes]:
    """The id that was, and the envelope."""
    new = new or InstanceKey.generate()
    rotation = Rotation(old.instance_id, old.public_bytes, new.instance_id, new.public_bytes, Stamp.of(NOON))
    return str(old.instance_id), old.sign_rotation(rotation, new)
