"""Staging tags: which packages may go to which instances.

A package without tags may go everywhere. A tagged one may go only to whom bears at least one of its tags. An instance bears
tags of its own, and a registration says which ones the peer bears in our eyes: the first decides what an instance wants, the
second what it gets.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from shared.core.errors import InvalidInput

EVERY_TAG = "*"
"""Who bears this bears all tags; a package never has it."""
MAX_TAGS = 32
_TAG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)

Tags = frozenset[str]
"""Well-formed staging tags."""


def read_tags(values: object, *, bearer: bool = False) -> Tags:
    """Well-formed tags out of a list from outside; a `bearer` may have `*`.

    Raises:
        InvalidInput: TAG_INVALID, if one is malformed or there are too many.
    """
    if not isinstance(values, list | tuple | set | frozenset) or len(values) > MAX_TAGS:
        raise InvalidInput(f"staging tags are a list of at most {MAX_TAGS} names", "TAG_INVALID")
    for value in values:
        if not isinstance(value, str) or not (_TAG.fullmatch(value) or (bearer and value == EVERY_TAG)):
            raise InvalidInput(f"{str(value)[:60]!r} is no staging tag: small letters, digits and hyphens, at most 40", "TAG_INVALID")
    return frozenset(values)


def entitled(package_tags: Collection[str], borne: Collection[str]) -> bool:
    """True if a package with these tags may go to whom bears those."""
    return not package_tags or EVERY_TAG in borne or not set(package_tags).isdisjoint(borne)


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages of an organisation, in the order in which packages are promoted."""

    names: tuple[str, ...]

    def check(self, values: object, *, bearer: bool = False) -> Tags:
        """Tags that this organisation knows.

        Raises:
            InvalidInput: TAG_INVALID or STAGE_UNKNOWN, naming those that are known.
        """
        tags = read_tags(values, bearer=bearer)
        unknown = sorted(tags - set(self.names) - {EVERY_TAG})
        if unknown:
            known = ", ".join(self.names) or "none is configured"
            raise InvalidInput(f"there is no stage {unknown[0]!r} here: the stages are {known} (setting `stages`)", "STAGE_UNKNOWN")
        return tags

    def after(self, tags: Iterable[str]) -> str | None:
        """The stage that follows the last one of these; None after the last, or if there is none to follow."""
        places = [self.names.index(tag) for tag in tags if tag in self.names]
        following = max(places, default=-1) + 1
        return self.names[following] if places and following < len(self.names) else None
