"""What instances elsewhere sign and relay, as storage is told it."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from shared.core.clock import Stamp
from shared.core.meta import MetaField, MetaValue
from shared.runtime.keys import InstanceKey
from shared.testing.builders import Signed
from shared.testing.records import NOON_STAMP, a_charter, a_meta, a_rotation


@dataclass(frozen=True, eq=False)
class Author:
    """An instance elsewhere that signs records."""

    key: InstanceKey = field(default_factory=InstanceKey.generate)

    @property
    def id(self) -> str:
        """Its instance id."""
        return str(self.key.instance_id)

    def says(self, about: Signed | str, what: MetaField, value: MetaValue | None = None, stamp: Stamp = NOON_STAMP, **more: Any) -> bytes:
        """A meta record, signed; without a value it says that it is so."""
        package_id = about if isinstance(about, str) else about.package_id
        return self.key.sign_meta(
            a_meta(what, value=True if value is None else value, author=self.key, package_id=package_id, stamp=stamp, **more)
        )

    def charter(self, *stewards: Author, stamp: Stamp = NOON_STAMP, revoked: dict[Author, Stamp] | None = None, **more: Any) -> bytes:
        """A charter, signed."""
        dropped = {one.key: since for one, since in (revoked or {}).items()}
        named = [one.key for one in stewards]
        return self.key.sign_charter(a_charter(self.key, stewards=named, revoked=dropped, stamp=stamp, **more))

    def dismissing(self, steward: Author, until: Stamp, stamp: Stamp) -> bytes:
        """A charter that names a steward of the past."""
        return self.key.sign_charter(a_charter(self.key, until={steward.key: until}, stamp=stamp))

    def rotation(self, new: Author, stamp: Stamp = NOON_STAMP) -> bytes:
        """A rotation to another key, signed by both."""
        return self.key.sign_rotation(a_rotation(self.key, new.key, stamp), new.key)


def text(envelope: bytes) -> str:
    """An envelope as it travels."""
    return base64.b64encode(envelope).decode()


def document(package: Signed | str, *meta: bytes, manifest: bytes | None = None) -> dict[str, Any]:
    """A package's records as they travel; with an id alone, no manifest."""
    envelope = manifest or (None if isinstance(package, str) else package.envelope)
    about = {"id": package if isinstance(package, str) else package.package_id, "meta": [text(one) for one in meta]}
    return about | ({"manifest": text(envelope)} if envelope else {})


def texts(envelopes: Iterable[bytes]) -> list[str]:
    """Envelopes as they travel."""
    return [text(one) for one in envelopes]
