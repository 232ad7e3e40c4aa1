"""Filters: which of the packages that events are about a subscription is for.

A filter judges events that are about a package, and lets others pass: those are chosen by patterns. The limit of an owner whose grant is
narrowed to staging tags is stricter: only events about packages within, and a package without tags goes everywhere, so it is never
within.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.contracts.events import ALL
from shared.core.errors import InvalidInput
from shared.core.staging import Tags, read_tags

MAX_NAMES = 50
_MOST_CHARACTERS = 255
_FIELDS = {"tags", "names", "origins"}


@dataclass(frozen=True, slots=True)
class Package:
    """What is known of the package that an event is about, at the moment when that is asked."""

    name: str | None
    tags: Tags = frozenset()
    origin: str | None = None
    """Instance id of where it was uploaded; none if the package is not known here."""


@dataclass(frozen=True, slots=True)
class Filters:
    """All that is given must hold; of each, one is enough."""

    tags: Tags = frozenset()
    names: tuple[str, ...] = ()
    """Globs such as `Firefox*.pkg`; capital and small letters are the same."""
    origins: tuple[str, ...] = ()
    """Instance ids."""

    @property
    def are_any(self) -> bool:
        """True if anything is given."""
        return bool(self.tags or self.names or self.origins)

    def pass_(self, package: Package) -> bool:
        """True if events about this package are wanted."""
        by_tag = not self.tags or not self.tags.isdisjoint(package.tags)
        by_name = not self.names or any(fnmatch.fnmatchcase((package.name or "").lower(), glob.lower()) for glob in self.names)
        return by_tag and by_name and (not self.origins or package.origin in self.origins)

    def as_json(self) -> dict[str, Any]:
        """As the Admin API shows them, and as they are kept."""
        return {"tags": sorted(self.tags), "names": list(self.names), "origins": list(self.origins)}


def read_filters(value: Any) -> Filters:
    """Filters out of JSON from outside, `{tags?, names?, origins?}`; none for no filter.

    Raises:
        InvalidInput: FILTER_INVALID, TAG_INVALID.
    """
    if value is None:
        return Filters()
    if not isinstance(value, Mapping) or not set(value) <= _FIELDS:
        raise InvalidInput("filters are {tags, names, origins}; each may be left out", "FILTER_INVALID")
    return Filters(read_tags(value.get("tags") or []), _texts(value, "names"), _texts(value, "origins"))


def _texts(value: Mapping[str, Any], name: str) -> tuple[str, ...]:
    texts = value.get(name) or []
    if not isinstance(texts, list | tuple) or len(texts) > MAX_NAMES:
        raise InvalidInput(f"{name} is a list of at most {MAX_NAMES}", "FILTER_INVALID")
    if not all(isinstance(text, str) and 0 < len(text) <= _MOST_CHARACTERS and text.isprintable() for text in texts):
        raise InvalidInput(f"each of {name} is a text of 1 to {_MOST_CHARACTERS} visible characters", "FILTER_INVALID")
    return tuple(dict.fromkeys(texts))


def about_packages(types: Iterable[str]) -> tuple[str, ...]:
    """Those types of events that are about a package."""
    return tuple(one for one in types if "package_id" in ALL[one].model_fields)


def is_within(package: Package | None, within: Tags | None) -> bool:
    """True if an owner with this limit may be told of an event about this package, or about none."""
    if within is None:
        return True
    return package is not None and bool(package.tags) and package.tags <= within
