"""What replication knows of packages, here and at peers: enough to show who has what, and to foresee what will move."""

from __future__ import annotations

from dataclasses import dataclass

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
