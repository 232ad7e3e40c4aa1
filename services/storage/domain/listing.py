"""Which packages a list has, and in which order.

All filters must fit. Names are found whatever their case, by Unicode's own folding, which is kept beside each name: so both
databases find the same, and no character of a text has a meaning of its own.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from services.storage.domain.package import Package, PackageState
from shared.core.cursors import Place, question, read_cursor, write_cursor
from shared.core.errors import InvalidInput
from shared.core.identity import InstanceId
from shared.core.staging import Tags, read_tags
from shared.core.times import to_text


class Order(StrEnum):
    """What packages are ordered by; their ids decide between equals."""

    NAME = "name"
    CREATED = "created"
    SIZE = "size"


def folded(text: str) -> str:
    """A text as it is compared when case does not count (Unicode's full case folding, then NFC): `Ä` is `ä`, `ß` is `ss`."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


@dataclass(frozen=True, slots=True)
class Listing:
    """What is asked of the list; without anything, all packages by name."""

    order: Order = Order.NAME
    falling: bool = False
    tags: Tags = frozenset()
    """It has all of these."""
    untagged: bool = False
    states: frozenset[PackageState] = frozenset()
    """It is in one of these."""
    text: str = ""
    """Part of the name, folded."""
    origin: InstanceId | None = None
    created_after: dt.datetime | None = None
    """The first moment that is meant."""
    created_before: dt.datetime | None = None
    """The first moment that is not meant any more."""
    bytes_here: bool | None = None

    @classmethod
    def read(cls, filters: Mapping[str, Any] | None, sort: str | None) -> Self:
        """What came over RPC.

        Raises:
            InvalidInput: QUERY_INVALID, TAG_INVALID, INSTANCE_ID_INVALID.
        """
        said = dict(filters or {})
        name, falling = (sort or Order.NAME.value).removeprefix("-"), (sort or "").startswith("-")
        try:
            made = cls(
                Order(name),
                falling,
                read_tags(said.pop("tags", [])),
                said.pop("untagged", None) is True,
                frozenset(map(PackageState, said.pop("states", []))),
                folded(said.pop("text", None) or ""),
                InstanceId.parse(origin) if (origin := said.pop("origin", None)) else None,
                _time(said.pop("created_after", None)),
                _time(said.pop("created_before", None)),
                said.pop("bytes_here", None),
            )
        except (ValueError, TypeError, OverflowError) as error:
            raise InvalidInput(f"the list cannot be made: {error}", "QUERY_INVALID") from error
        if said:
            raise InvalidInput(f"lists of packages know no filter {min(said)[:60]!r}", "QUERY_INVALID")
        if made.untagged and made.tags:
            raise InvalidInput("`untagged` asks for packages without staging tags, `tag` for those with: give one of them", "QUERY_INVALID")
        return made

    def cursor(self, place: Place) -> str:
        """The cursor behind a place in this list."""
        return write_cursor(self._question, place)

    def place(self, cursor: str) -> Place:
        """Where a page of this list ended.

        Raises:
            InvalidInput: CURSOR_INVALID.
        """
        return read_cursor(self._question, cursor, int if self.order is Order.SIZE else str)

    @property
    def _question(self) -> str:
        times = [time and to_text(time) for time in (self.created_after, self.created_before)]
        origin = self.origin and self.origin.text
        return question(
            self.order, self.falling, sorted(self.tags), self.untagged, sorted(self.states), self.text, origin, *times, self.bytes_here
        )

    def place_of(self, package: Package) -> Place:
        """Where a package stands in it."""
        match self.order:
            case Order.NAME:
                return package.name, package.package_id
            case Order.CREATED:
                return to_text(package.manifest.created), package.package_id
            case Order.SIZE:
                return package.manifest.size, package.package_id

    def has(self, package: Package) -> bool:
        """True if a package is in the list."""
        created = package.manifest.created
        return (
            self.tags <= package.tags
            and not (self.untagged and package.tags)
            and (not self.states or package.state in self.states)
            and self.text in folded(package.name)
            and self.origin in (None, package.manifest.origin)
            and (self.created_after is None or created >= self.created_after)
            and (self.created_before is None or created < self.created_before)
            and self.bytes_here in (None, package.bytes_here)
        )


@dataclass(frozen=True, slots=True)
class Newest:
    """What is asked of a list that has its newest first; without anything, all."""

    states: frozenset[str] = frozenset()
    """It is in one of these."""
    name: str | None = None
    """It has exactly this name."""

    def cursor(self, place: Place) -> str:
        """The cursor behind a place in this list."""
        return write_cursor(self._question, place)

    def place(self, cursor: str) -> Place:
        """Where a page of this list ended.

        Raises:
            InvalidInput: CURSOR_INVALID.
        """
        return read_cursor(self._question, cursor)

    @property
    def _question(self) -> str:
        return question("newest", sorted(self.states), self.name)

    def has(self, state: str, name: str) -> bool:
        """True if what has this state and name is in the list."""
        return (not self.states or state in self.states) and self.name in (None, name)


def _time(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    time = dt.datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise InvalidInput("times need a zone, such as Z", "QUERY_INVALID")
    return time.astimezone(dt.UTC)
