"""People, services that act like people, and the first of them.

::

    active ◀──▶ disabled           by an administrator
      ▲ └─────────┴──▶ deleted     for good; the name is never given to anybody else
      └──▶ gone                    the source outside does not know the account any more; a login there brings it back
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from services.directory.domain.rights import Grant, Right, Role, allowed
from services.directory.domain.tokens import Token, TokenState
from shared.core.errors import Conflict, InvalidInput

FIRST_NAME = "admin"
LOCAL, SERVICE = "local", "service"
"""Sources of accounts that are kept here; others are named by who keeps them: `ldap`, `oidc`."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)
_LONGEST_TEXT = 120


class PersonState(StrEnum):
    """Whether somebody may come in."""

    ACTIVE = "active"
    DISABLED = "disabled"
    DELETED = "deleted"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who may log in, or a service, which has tokens only; a password is kept only as its hash."""

    person_id: str
    name: str
    source: str
    grants: tuple[Grant, ...]
    created: dt.datetime
    password_hash: str | None = None
    display_name: str = ""
    email: str | None = None
    state: PersonState = PersonState.ACTIVE
    groups: frozenset[str] = frozenset()
    """Groups outside, by the keys of their names."""
    epoch: int = 0
    """Rises when all sessions of this person end."""
    seen: dt.datetime | None = None
    """The last login, or the last time that the source said that the account is there."""
    last_login: dt.datetime | None = None
    subject: str | None = None
    """By which a source outside knows the account whatever its name is; nobody else has it."""

    @property
    def key(self) -> str:
        """By which nobody else is known."""
        return name_key(self.name)

    @property
    def is_active(self) -> bool:
        """True unless disabled or deleted."""
        return self.state is PersonState.ACTIVE

    @property
    def tokens_end(self) -> bool:
        """True if tokens are revoked for good, and do not only rest."""
        return self.state in (PersonState.DISABLED, PersonState.DELETED)

    @property
    def is_kept_here(self) -> bool:
        """True for a local account or a service, false for whom a source outside knows."""
        return self.source in (LOCAL, SERVICE)

    @property
    def has_password(self) -> bool:
        """True for whom a password of ours lets in."""
        return self.source == LOCAL and self.password_hash is not None

    def shut_out(self, state: PersonState) -> Person:
        """Disabled, deleted or gone: every session ends."""
        return replace(self, state=state, epoch=self.epoch + 1)

    def with_password(self, password_hash: str) -> Person:
        """Another password: every session ends."""
        return replace(self, password_hash=password_hash, epoch=self.epoch + 1)


@dataclass(frozen=True, slots=True)
class Everybody:
    """All people and all tokens, as one transaction sees them."""

    people: Sequence[Person]
    tokens: Sequence[Token]

    def with_person(self, person: Person) -> Everybody:
        """After a change of one."""
        return replace(self, people=[person if one.person_id == person.person_id else one for one in self.people])

    def without_token(self, token_id: str) -> Everybody:
        """After one was revoked."""
        return replace(self, tokens=[token for token in self.tokens if token.token_id != token_id])


def name_key(name: str) -> str:
    """What two spellings of one name have in common."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def checked_name(name: Any) -> str:
    """The name of an account that is kept here.

    Raises:
        InvalidInput: PERSON_NAME_INVALID.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInput("a name has 1 to 64 letters of a to z, digits, and . _ @ - but for the first", "PERSON_NAME_INVALID")
    return name


def checked_text(text: Any, what: str) -> str:
    """A text for people, such as a display name.

    Raises:
        InvalidInput: TEXT_INVALID.
    """
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT or not text.isprintable():
        raise InvalidInput(f"{what} is a line of at most {_LONGEST_TEXT} visible characters", "TEXT_INVALID")
    return text.strip()


def check_administered(before: Everybody, after: Everybody, here: Collection[str], now: dt.datetime) -> None:
    """Refuse a change that would leave nobody who can administer this instance.

    Somebody can who has the right everywhere here and a way in that works without help from outside: a password of ours that has
    let them in before, or a usable token.

    Raises:
        Conflict: LAST_ADMINISTRATOR.
    """
    if _is_administered(before, here, now) and not _is_administered(after, here, now):
        raise Conflict(
            "nobody could administer this instance any more: let another administrator log in, or make a token, before",
            "LAST_ADMINISTRATOR",
        )


def _is_administered(everybody: Everybody, here: Collection[str], now: dt.datetime) -> bool:
    administrators = [one for one in everybody.people if one.is_active and Right.ADMINISTER in allowed(one.grants, here)]
    return any(_has_a_way_in(one, everybody.tokens, here, now) for one in administrators)


def _has_a_way_in(person: Person, tokens: Iterable[Token], here: Collection[str], now: dt.datetime) -> bool:
    if person.has_password and person.last_login is not None:
        return True
    own = (token for token in tokens if token.person_id == person.person_id)
    return any(token.state(now) is TokenState.ACTIVE and token.gives(Right.ADMINISTER, here) for token in own)


def administrator(person_id: str, name: str, password_hash: str, now: dt.datetime) -> Person:
    """Somebody who may do everything."""
    return Person(person_id, name, LOCAL, (Grant(Role.ADMINISTRATOR),), now, password_hash)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the first administrator is told, once. Never logged: its text form shows only the name."""

    user: str
    password: str
    token: str

    def __repr__(self) -> str:
        """The name alone, for logs and tracebacks."""
        return f"Credentials(user={self.user!r})"
