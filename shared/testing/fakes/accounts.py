"""Accounts outside, in memory; passes the same suite as LDAP (`tests/contract/test_port_accounts.py`)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from services.directory.domain.accounts import Finding, Recognised
from services.directory.domain.attempts import REFUSAL, check_attempt, is_possible_name
from shared.core.errors import ServiceUnavailable, Unauthenticated


@dataclass
class FakeAccounts:
    """`Accounts` that knows whom it was told of, by their names in any case; it can be away."""

    known: dict[str, tuple[Recognised, str]] = field(default_factory=dict)
    """Who, and with which password, by the name in small letters."""
    closed: set[str] = field(default_factory=set)
    """Names in small letters of accounts that are known and may not log in."""
    most_failures: int | None = None
    """So many wrong passwords in a row lock an account; none: any number."""
    away: bool = False
    asked: int = 0
    """How often somebody wanted to log in."""
    failures: Counter[str] = field(default_factory=Counter)

    def put(self, name: str, password: str, *groups: str, source: str = "ldap") -> None:
        """Let somebody be known, in these groups."""
        person = Recognised(source, name, f"{name.title()} of the directory", f"{name}@example.org", frozenset(groups))
        self.known[name.lower()] = person, password

    def recognise(self, name: str, password: str) -> Recognised:
        """Who logs in."""
        self.asked += 1
        check_attempt(name, password)
        found, right = self._find(name)
        if found is None or self._is_locked(found):
            raise Unauthenticated(REFUSAL)
        self.failures[found.name] = 0 if password == right else self.failures[found.name] + 1
        if password != right:
            raise Unauthenticated(REFUSAL)
        return found

    def look_up(self, name: str) -> Recognised | None:
        """Who has this name now."""
        return self._find(name)[0] if is_possible_name(name) else None

    def examine(self, name: str | None = None) -> list[Finding]:
        """One step, and one more for a person."""
        connected = Finding("connect", ok=not self.away, detail="in memory")
        if name is None or self.away:
            return [connected]
        person = self.look_up(name)
        return [connected, Finding("person", ok=person is not None, detail=person.name if person else "nobody has that name")]

    def _find(self, name: str) -> tuple[Recognised | None, str | None]:
        if self.away:
            raise ServiceUnavailable("the directory is away")
        return (None, None) if name.lower() in self.closed else self.known.get(name.lower(), (None, None))

    def _is_locked(self, person: Recognised) -> bool:
        return self.most_failures is not None and self.failures[person.name] >= self.most_failures
