"""Records of Jamf Pro as values: packages, distribution points, and what is to be written about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.notify.domain.channels.jamf_pro import MD5, JamfChannel

HIDDEN = "(secret)"


@dataclass(frozen=True, slots=True)
class Digests:
    """Of one file."""

    md5: str
    sha512: str

    def chosen(self, kind: str) -> str:
        """The one of this kind: MD5 or SHA_512."""
        return self.md5 if kind == MD5 else self.sha512


@dataclass(frozen=True, slots=True)
class PackageRecord:
    """What Jamf Pro knows of a package."""

    record_id: str
    name: str
    """Unique there."""
    file_name: str
    hash_type: str = ""
    hash_value: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """All of it, as the server has it: what is not ours is written back unchanged."""

    def says_hash(self, kind: str, value: str) -> bool:
        """True if policies check by this hash."""
        return self.hash_type.upper().replace("-", "_") == kind and self.hash_value.lower() == value


@dataclass(frozen=True, slots=True)
class PackageWish:
    """What a package's record shall say; `defaults` only if there is none yet."""

    file_name: str
    hash_type: str
    hash_value: str
    digests: Digests
    sha256: str
    defaults: JamfChannel


@dataclass(frozen=True, slots=True)
class PointRecord:
    """A distribution point as Jamf Pro knows it."""

    record_id: str
    name: str
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class PointWish:
    """This instance as a distribution point, for downloads over HTTPS only."""

    name: str
    host: str
    port: int
    context: str
    security: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one step of trying a connection."""

    step: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Change:
    """One field that becomes another."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Write:
    """A request that changes something there."""

    method: str
    path: str
    changes: Sequence[Change]
    body: bytes = field(repr=False)
    content_type: str = "application/json"

    def shown(self, url: str) -> dict[str, Any]:
        """For people: method, URL and what changes, without secrets."""
        changes = [{"field": one.field, "before": one.before, "after": one.after} for one in self.changes]
        return {"method": self.method, "url": url + self.path, "changes": changes}

    def sentence(self, url: str) -> str:
        """The same in one line."""
        return f"{self.method} {url}{self.path}: " + "; ".join(f"{one.field} = {one.after}" for one in self.changes)


def differences(before: Mapping[str, Any], wished: Mapping[str, Any]) -> list[Change]:
    """What has to change so that all that is wished holds."""
    return [Change(name, before.get(name), value) for name, value in wished.items() if before.get(name) != value]
