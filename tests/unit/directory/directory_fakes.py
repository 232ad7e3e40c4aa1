"""Stand-ins for the outside of the directory service; `FakeRegister` passes the same suite as the real one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from services.directory.domain.audit import Entry
from services.directory.domain.people import Credentials, Person
from services.directory.domain.tokens import Token


@dataclass
class FakeRegister:
    """`Register` in memory."""

    people: list[Person] = field(default_factory=list)
    kept: dict[str, Token] = field(default_factory=dict)
    uses_written: int = 0

    def has_people(self) -> bool:
        """True if anybody was ever added."""
        return bool(self.people)

    def add_first(self, person: Person, token: Token, hand_over: Callable[[], None]) -> bool:
        """Add the first person with a token."""
        if self.people:
            return False
        hand_over()
        self.people.append(person)
        self.kept[token.token_id] = token
        return True

    def find_token(self, sha256: str) -> Token | None:
        """The token with this SHA-256."""
        return next((token for token in self.kept.values() if token.sha256 == sha256), None)

    def tokens(self) -> Sequence[Token]:
        """All tokens, newest first."""
        return sorted(self.kept.values(), key=lambda token: token.created, reverse=True)

    def add_token(self, token: Token) -> None:
        """Keep a new token."""
        self.kept[token.token_id] = token

    def note_use(self, token_id: str, when: dt.datetime) -> None:
        """Write when a token was last used."""
        token = self.kept[token_id]
        self.kept[token_id] = replace(token, last_used=max(when, token.last_used or when))
        self.uses_written += 1

    def revoke_token(self, token_id: str, when: dt.datetime, check: Callable[[Sequence[Token]], None]) -> None:
        """Revoke a token, unless `check` raises."""
        check(self.tokens())
        token = self.kept[token_id]
        self.kept[token_id] = replace(token, revoked=token.revoked or when)

    def counts(self) -> dict[str, int]:
        """Numbers of people and tokens."""
        return {"people": len(self.people), "tokens": len(self.kept)}


@dataclass
class FakeAuditLog:
    """`AuditLog` in memory."""

    entries: list[Entry] = field(default_factory=list)

    def append(self, entry: Entry) -> bool:
        """Write down what is new."""
        if entry.event_id in {known.event_id for known in self.entries}:
            return False
        self.entries.append(entry)
        return True

    def page(self, before: int | None, limit: int) -> Sequence[tuple[int, Entry]]:
        """Entries with their numbers, newest first."""
        numbered = [(number, entry) for number, entry in enumerate(self.entries, 1) if before is None or number < before]
        return numbered[::-1][:limit]

    def count(self) -> int:
        """How many entries there are."""
        return len(self.entries)


@dataclass
class FakeHandOver:
    """Remembers what was handed over."""

    written: list[Credentials] = field(default_factory=list)

    def write(self, credentials: Credentials) -> None:
        """Take the credentials."""
        self.written.append(credentials)


class FakePasswords:
    """Quick, and no secret."""

    def hash(self, password: str) -> str:
        """Anything but the password."""
        return f"hash of {len(password)} characters"
