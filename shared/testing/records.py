"""Records for tests: say what matters, the rest is filled in."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from shared.core.charter import Census, Charter, Rotation
from shared.core.clock import Stamp
from shared.core.meta import MetaField, MetaRecord
from shared.runtime.keys import InstanceKey
from shared.testing.builders import ORIGIN
from shared.testing.fakes.clock import NOON

NOON_STAMP = Stamp.of(NOON)
"""The first stamp of noon."""


def later(milliseconds: int) -> Stamp:
    """A stamp so long after noon, or before it."""
    return Stamp(NOON_STAMP.milliseconds + milliseconds)


def a_meta(
    field: MetaField = MetaField.DELETED, *, value: tuple[str, ...] | bool = True, author: InstanceKey = ORIGIN, **fields: Any
) -> MetaRecord:
    """A tombstone, unless said otherwise."""
    record = MetaRecord(str(uuid.uuid4()), field, value, NOON_STAMP, author.instance_id, author.public_bytes, "anna")
    return replace(record, **fields)


def a_charter(
    of: InstanceKey = ORIGIN,
    *,
    stewards: Iterable[InstanceKey] = (),
    until: dict[InstanceKey, Stamp] | None = None,
    revoked: dict[InstanceKey, Stamp] | None = None,
    **fields: Any,
) -> Charter:
    """A charter that names `stewards` for ever, those of `until` until then, and revokes those of `revoked` since then."""
    named = [(key.instance_id, None) for key in stewards] + [(key.instance_id, stamp) for key, stamp in (until or {}).items()]
    dropped = tuple((key.instance_id, since) for key, since in (revoked or {}).items())
    charter = Charter(of.instance_id, of.public_bytes, "Bremen", frozenset(), tuple(named), dropped, Census(), NOON_STAMP)
    return replace(charter, **fields)


def a_rotation(old: InstanceKey, new: InstanceKey, stamp: Stamp = NOON_STAMP) -> Rotation:
    """A rotation from one key to the next."""
    return Rotation(old.instance_id, old.public_bytes, new.instance_id, new.public_bytes, stamp)
