"""What replication knows of packages, here and at peers: enough to show who has what, and to foresee what will move."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from shared.core.staging import Tags, entitled

WANTED, PUBLISHED, SUPERSEDED, QUARANTINED, DELETED, WITHHELD = "wanted", "published", "superseded", "quarantined", "deleted", "withheld"
"""States of a package in storage."""
REFUSED = "refused"
"""The state of one whose manifest counts no longer: nobody is to have it, whatever bytes are here."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A package at one instance: its state, whether the verified bytes are there, and how far they are if they are on their way."""

    state: str
    bytes_here: bool
    percent: int | None = None

    @property
    def is_settled(self) -> bool:
        """True if nothing is to be fetched there: the bytes are there, or something else became of it."""
        return self.bytes_here or self.state != WANTED

    @property
    def is_barred(self) -> bool:
        """True if other staging tags would not bring it there either."""
        return self.state in (QUARANTINED, DELETED, SUPERSEDED)

    @property
    def cell(self) -> str:
        """What the matrix shows."""
        if self.state in (QUARANTINED, DELETED, SUPERSEDED):
            return self.state
        if self.state == WITHHELD:
            return "not_entitled"
        if self.state == REFUSED:
            return "absent"
        return "there" if self.bytes_here else "on_its_way" if self.state == WANTED else "absent"


@dataclass(frozen=True, slots=True)
class Outline:
    """A package in the catalogue, in short."""

    package_id: str
    name: str
    size: int
    tags: frozenset[str]
    state: str
    bytes_here: bool
    origin: str = ""
    """Instance id of where it was uploaded: there it stays, whatever its tags."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a peer says of some packages, and the staging tags that it lets us see: of others its silence says nothing."""

    holdings: Mapping[str, Holding] = field(default_factory=dict)
    shown: Tags = frozenset()

    def would_say(self, package: Outline) -> bool:
        """True if it would show us the package if it knew it."""
        return package.package_id in self.holdings or entitled(package.tags, self.shown)


@dataclass(frozen=True, slots=True)
class WhoIsWho:
    """What instances say of themselves, as far as it came here."""

    borne: Mapping[str, Collection[str]] = field(default_factory=dict)
    """The staging tags that they bear, by their present ids."""
    present_ids: Mapping[str, str] = field(default_factory=dict)

    def present(self, instance_id: str) -> str:
        """The id by which an instance goes now."""
        return self.present_ids.get(instance_id, instance_id)
