"""A source of accounts outside, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.directory.domain.accounts import Finding, Recognised
from shared.core.errors import ServiceUnavailable, Unauthenticated


@dataclass
class FakeAccounts:
    """`Accounts` that knows whom it was told of, by their names in any case; it can be away."""

    known: dict[str, tuple[Recognised, str]] = field(default_factory=dict)
    """Who, and with which password, by the name in small letters."""
    away: bool = False
    asked: int = 0
    """How often somebody wanted to log in."""

    def put(self, name: str, password: str, *groups: str, source: str = "ldap") -> None:
        """Let somebody be known, in these groups."""
        person = Recognised(source, name, f"{name.title()} of the directory", f"{name}@example.org", frozenset(groups))
        self.known[name.lower()] = person, password

    def recognise(self, name: str, password: str) -> Recognised:
        """Who logs in."""
        self.asked += 1
        self._check_here()
        found, right = self.known.get(name.lower(), (None, None))
        if found is None or not password or password != right:
            raise Unauthenticated("the directory does not know this name with this password")
        return found

    def look_up(self, name: str) -> Recognised | None:
        """Who has this name now."""
        self._check_here()
        found, _ = self.known.get(name.lower(), (None, None))
        return found

    def examine(self) -> list[Finding]:
        """One step."""
        return [Finding("connect", ok=not self.away, detail="in memory")]

    def _check_here(self) -> None:
        if self.away:
            raise ServiceUnavailable("the directory is away")
