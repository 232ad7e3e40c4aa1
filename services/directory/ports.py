"""What the directory handlers need from outside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Protocol

from services.directory.domain.accounts import Finding, Recognised
from services.directory.domain.audit import Entry
from services.directory.domain.people import Credentials, Person
from services.directory.domain.tokens import Token


class Register(Protocol):
    """People and tokens, kept."""

    def has_people(self) -> bool:
        """True if anybody was ever added."""

    def add_first(self, person: Person, token: Token, hand_over: Callable[[], None]) -> bool:
        """Add the first person with a token, in one transaction; False, and nothing done, if there are people already.

        `hand_over` is called last before the commit; if it raises, nothing was added.
        """

    def find_token(self, sha256: str) -> Token | None:
        """The token with this SHA-256."""

    def tokens(self) -> Sequence[Token]:
        """All tokens, newest first."""

    def add_token(self, token: Token) -> None:
        """Keep a new token."""

    def note_use(self, token_id: str, when: dt.datetime) -> None:
        """Write when a token was last used; an earlier time than the one that is there changes nothing."""

    def revoke_token(self, token_id: str, when: dt.datetime, check: Callable[[Sequence[Token]], None]) -> None:
        """Revoke a token, unless `check` refuses by raising.

        `check` sees all tokens within the transaction, so that two revocations cannot pass each other. A token that is
        revoked already keeps its time.
        """

    def counts(self) -> dict[str, int]:
        """Numbers of `people` and `tokens`."""


class Accounts(Protocol):
    """A source of accounts outside of this instance."""

    def recognise(self, name: str, password: str) -> Recognised:
        """Who logs in with this name and this password.

        Raises:
            Unauthenticated: if nobody does.
            ServiceUnavailable: if the source is away, within 5 s.
        """

    def look_up(self, name: str) -> Recognised | None:
        """Who has this name now, without a proof; none if nobody has, or the account is closed.

        Raises:
            ServiceUnavailable: as above.
        """

    def examine(self, name: str | None = None) -> list[Finding]:
        """Try the connection step by step, and say what was found; with a name, also of whoever has it."""


class AuditLog(Protocol):
    """Entries, kept for good and numbered from 1 without gaps. Nothing in it is ever changed or removed."""

    def append(self, entry: Entry) -> bool:
        """Write an entry down under the next number; False, and nothing done, if its event is written down already."""

    def page(self, before: int | None, limit: int) -> Sequence[tuple[int, Entry]]:
        """Up to `limit` entries with their numbers, newest first: below the number `before`, or from the newest on."""

    def count(self) -> int:
        """How many entries there are."""


class HandOver(Protocol):
    """The way of the first credentials to the person who installs."""

    def write(self, credentials: Credentials) -> None:
        """Put them where only that person reads them; returns when they are safely there."""


class Passwords(Protocol):
    """Password hashing."""

    def hash(self, password: str) -> str:
        """A salted, slow hash with its parameters."""
