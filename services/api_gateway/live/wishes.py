"""What a reader wants, and what of it they may have."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from services.api_gateway.live.told import Told
from shared.contracts.patterns import matches

_LOOKING = frozenset({"self", "view"})
_NEVER_NARROWED = frozenset({"viewer", "auditor", "administrator"})
"""Roles that let somebody look everywhere, even if everything else of theirs is narrowed."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What somebody may be told."""

    person: str
    rights: frozenset[str]
    within: frozenset[str] | None
    """The staging tags of the packages that they are told of; None for all."""

    @classmethod
    def to(cls, principal: Mapping[str, Any]) -> Allowed:
        """Somebody of whom directory says this.

        Who has only grants that are narrowed to tags is told of packages within these tags alone.
        """
        rights: Mapping[str, Any] = principal.get("rights") or {"view": None}
        limits = [limit for right, limit in rights.items() if right not in _LOOKING]
        roles = {role.strip() for role in str(principal.get("role") or "").split(",")}
        narrowed = bool(limits) and None not in limits and _NEVER_NARROWED.isdisjoint(roles)
        within = frozenset(tag for limit in limits for tag in limit) if narrowed else None
        return cls(str(principal["person"]), frozenset(rights), within)

    def lets(self, told: Told) -> bool:
        """True if they may be told. A package without tags goes everywhere, so it is within none."""
        if told.right not in self.rights:
            return False
        return self.within is None or not told.about_package or bool(told.tags and not self.within.isdisjoint(told.tags))


def is_for(told: Told, allowed: Allowed, wish: Wish) -> bool:
    """True if somebody is to be told; what is about the stream itself is for all."""
    return told.event_id is None or (allowed.lets(told) and wish.wants(told))


@dataclass(frozen=True, slots=True)
class Wish:
    """What a reader asked for; what is empty stands for everything."""

    types: tuple[str, ...] = ()
    names: Collection[str] = ()
    tags: Collection[str] = ()

    def wants(self, told: Told) -> bool:
        """True if all that was given is so."""
        return (
            (not self.types or any(matches(pattern, told.type) for pattern in self.types))
            and (not self.names or told.name in self.names)
            and (not self.tags or bool(told.tags and not told.tags.isdisjoint(self.tags)))
        )
