"""People whom storage asks about, through directory."""

from __future__ import annotations

from shared.core.errors import ServiceUnavailable


class FakePeople:
    """Directory as storage asks it: everybody may, but those who lost the right; or it is away."""

    def __init__(self) -> None:
        self.lost: dict[tuple[str, str], str] = {}
        self.is_away = False
        self.asked: list[tuple[str, str, str]] = []

    def why_not(self, person: str, right: str, stage: str) -> str | None:
        """As the port has it."""
        if self.is_away:
            raise ServiceUnavailable("directory is away")
        self.asked.append((person, right, stage))
        return self.lost.get((person, right))
