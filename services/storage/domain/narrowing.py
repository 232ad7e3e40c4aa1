"""Changes by whom a grant lets touch only some staging tags. A package without tags goes everywhere: it is never within."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from shared.core.errors import Forbidden
from shared.core.staging import Tags, read_tags


@dataclass(frozen=True, slots=True)
class Within:
    """The staging tags that somebody may touch; none for all, and packages without tags too."""

    tags: Tags | None = None

    @classmethod
    def read(cls, value: Any) -> Within:
        """From a list, or none; a list without tags touches nothing.

        Raises:
            InvalidInput: TAG_INVALID.
        """
        return cls(None if value is None else read_tags(value))

    def check_package(self, tags: Collection[str]) -> None:
        """Let a package with these tags be made, deleted, brought back or raised.

        Raises:
            Forbidden: OUTSIDE_GRANT.
        """
        if self.tags is not None and not (tags and self.tags.issuperset(tags)):
            raise self._refusal(tags)

    def check_retag(self, before: Tags, after: Tags) -> None:
        """Let tags be added and taken off: each of them within, and the package has some before and after.

        Raises:
            Forbidden: OUTSIDE_GRANT.
        """
        if self.tags is not None and not (before and after and self.tags.issuperset(before ^ after)):
            raise self._refusal(before ^ after)

    def check_stage(self, stage: str) -> None:
        """Let somebody decide about a promotion to this stage.

        Raises:
            Forbidden: OUTSIDE_GRANT.
        """
        if self.tags is not None and stage not in self.tags:
            raise self._refusal({stage})

    def _refusal(self, tags: Collection[str]) -> Forbidden:
        about = f"this is about {', '.join(sorted(tags))}" if tags else "a package without tags goes everywhere"
        return Forbidden(f"{about}, and your grant holds within {', '.join(sorted(self.tags or ())) or 'nothing'}", "OUTSIDE_GRANT")
