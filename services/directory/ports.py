"""What the directory handlers need from outside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from services.directory.domain.accounts import Finding, Recognised
from services.directory.domain.audit import Entry
from services.directory.domain.groups import GroupGrant
from services.directory.domain.people import Credentials, Everybody, Person
from services.directory.domain.sessions import Session
from services.directory.domain.throttle import Rule
from services.directory.domain.tokens import Token


class Register(Protocol):
    """People and tokens, kept. Nobody is ever removed."""

    def has_people(self) -> bool:
        """True if anybody was ever added."""

    def add_first(self, person: Person, token: Token, hand_over: Callable[[], None]) -> bool:
        """Add the first person with a token, in one transaction; False, and nothing done, if there are people already.

        `hand_over` is called last before the commit; if it raises, nothing was added.
        """

    def people(self) -> Sequence[Person]:
        """All people, by name."""

    def person(self, person_id: str) -> Person | None:
        """A person by id."""

    def named(self, key: str) -> Person | None:
        """Who has, or had, this name, by its key."""

    def add_person(self, person: Person) -> bool:
        """Keep somebody new; False, and nothing done, if the name was ever given."""

    def change_person(self, person_id: str, when: dt.datetime, change: Callable[[Person, Everybody], Person]) -> Person:
        """Replace a person, who is known, by what `change` makes of them, alone among all such changes; what was made.

        `change` sees everybody within the transaction, and may refuse by raising. With the change, whatever its person must lose
        ends: sessions of another epoch; tokens, if these end.
        """

    def bearer(self, sha256: str) -> tuple[Token, Person] | None:
        """The token with this SHA-256, and whose it is."""

    def tokens(self) -> Sequence[Token]:
        """All tokens, newest first."""

    def add_token(self, token: Token) -> None:
        """Keep a new token."""

    def note_use(self, token_id: str, when: dt.datetime) -> None:
        """Write when a token was last used; an earlier time than the one that is there changes nothing."""

    def revoke_token(self, token_id: str, when: dt.datetime, check: Callable[[Everybody], None]) -> None:
        """Revoke a token, unless `check` refuses by raising; alone among all changes of people and tokens.

        `check` sees everybody within the transaction. A token that is revoked already keeps its time.
        """

    def counts(self) -> dict[str, int]:
        """Numbers of `people` and `tokens`."""


class Sessions(Protocol):
    """Sessions, kept until they end."""

    def add(self, session: Session, created_before: dt.datetime, used_before: dt.datetime) -> None:
        """Keep a new session; those that were created or last used before these times are over, and go."""

    def find(self, sha256: str) -> tuple[Session, Person] | None:
        """The session with this SHA-256, and whose it is."""

    def note_use(self, session_id: str, when: dt.datetime) -> None:
        """Write when a session was last used; forwards only."""

    def of(self, person_id: str) -> Sequence[Session]:
        """All sessions of a person, newest first."""

    def end(self, person_id: str, session_id: str) -> bool:
        """Remove a session of this person; False if there is none."""

    def count(self) -> int:
        """How many there are."""


class Attempts(Protocol):
    """Failed attempts to log in, remembered by key, also over restarts and between processes."""

    def begin(self, rules: Mapping[str, Rule], now: dt.datetime) -> dt.timedelta:
        """Count an attempt as failed under every key; or, if one of the keys has to wait, count nothing: the longest wait."""

    def forget(self, key: str) -> None:
        """Remember nothing under this key."""

    def give_back(self, rules: Mapping[str, Rule]) -> None:
        """One attempt that was counted under these keys did not fail."""


class GroupGrants(Protocol):
    """What groups outside mean here."""

    def all(self) -> Sequence[GroupGrant]:
        """All of them, by group."""

    def add(self, granted: GroupGrant) -> None:
        """Keep a new one."""

    def remove(self, grant_id: str) -> bool:
        """Forget one; False if there is none."""


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
    """Password hashing. Each call takes as long as a hash does."""

    def hash(self, password: str) -> str:
        """A salted, slow hash with its parameters."""

    def verify(self, password_hash: str, password: str) -> bool:
        """True if the hash was made from this password."""

    def is_outdated(self, password_hash: str) -> bool:
        """True if a hash that is made today has other parameters. Takes no time."""


Here = Callable[[], Collection[str]]
"""By which names this instance is known: its name, and its present id."""
