"""Tokens and what they open; and what happens at the very first start."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.directory.domain.people import FIRST_NAME, Credentials, Person
from services.directory.domain.rights import Right, Role
from services.directory.domain.tokens import (
    Token,
    check_revocation,
    checked_fingerprint,
    checked_name,
    expiry,
    fingerprint,
    new_token_text,
    usable,
)
from services.directory.ports import HandOver, Passwords, Register
from shared.core.times import rfc3339_or_none

Clock = Callable[[], dt.datetime]
"""The present time, in UTC."""
_PASSWORD_BYTES = 18


@dataclass
class DirectoryHandlers:
    """Tokens and what they open."""

    register: Register
    clock: Clock

    def authorize(self, token_sha256: Any, right: Any) -> dict[str, str]:
        """Who holds this token, if its role has the right: `{person, role, token_id}`.

        Raises:
            Unauthenticated: if it is unknown, expired or revoked, all in the same words.
            Forbidden: if the role does not have the right.
        """
        wanted, now = Right.parse(right), self.clock()
        token = usable(self.register.find_token(checked_fingerprint(token_sha256)), now)
        if token.use_is_worth_writing(now):
            self.register.note_use(token.token_id, now)
        token.role.require(wanted)
        return {"person": token.name, "role": token.role.value, "token_id": token.token_id}

    def create_token(self, name: Any, role: Any, created_by: str, valid_seconds: Any = None) -> dict[str, Any]:
        """Make a token; its description, with the token itself as `token`. This is the only time that it is shown."""
        now, text = self.clock(), new_token_text()
        token = Token(
            str(uuid.uuid4()), checked_name(name), Role.parse(role), fingerprint(text), created_by, now, expiry(now, valid_seconds)
        )
        self.register.add_token(token)
        return describe(token, now) | {"token": text}

    def list_tokens(self) -> dict[str, Any]:
        """All tokens, newest first, without their text."""
        now = self.clock()
        return {"items": [describe(token, now) for token in self.register.tokens()]}

    def revoke_token(self, token_id: str) -> None:
        """Close a door for good; doing so twice is fine.

        Raises:
            NotFound: if there is no such token.
            Conflict: LAST_ADMINISTRATOR, if it is the last usable administrator token.
        """
        now = self.clock()
        self.register.revoke_token(token_id, now, lambda tokens: check_revocation(token_id, tokens, now))

    def figures(self) -> dict[str, int]:
        """How many people and tokens there are."""
        return self.register.counts()


@dataclass
class FirstStart:
    """Makes the first administrator, once."""

    register: Register
    hand_over: HandOver
    passwords: Passwords
    clock: Clock

    def run(self) -> bool:
        """Make the first administrator if there are no people; True if one was made.

        The credentials are handed over before the commit. A crash in between leaves credentials that open nothing, and the
        next start makes and hands over others; the other order could lock everybody out.
        """
        if self.register.has_people():
            return False
        credentials = Credentials(FIRST_NAME, secrets.token_urlsafe(_PASSWORD_BYTES), new_token_text())
        person, token = self._first(credentials)
        return self.register.add_first(person, token, lambda: self.hand_over.write(credentials))

    def _first(self, credentials: Credentials) -> tuple[Person, Token]:
        now, name = self.clock(), credentials.user
        person = Person(str(uuid.uuid4()), name, Role.ADMINISTRATOR, self.passwords.hash(credentials.password), now)
        token = Token(str(uuid.uuid4()), name, Role.ADMINISTRATOR, fingerprint(credentials.token), name, now)
        return person, token


def describe(token: Token, now: dt.datetime) -> dict[str, Any]:
    """A token as the Admin API shows it."""
    return {
        "token_id": token.token_id,
        "name": token.name,
        "role": token.role.value,
        "created": rfc3339_or_none(token.created),
        "expires": rfc3339_or_none(token.expires),
        "last_used": rfc3339_or_none(token.last_used),
        "state": token.state(now).value,
    }
