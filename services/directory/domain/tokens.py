"""API tokens: `odst_` and 40 characters of base62 (238 bits).

::

    active ──▶ expired     by the clock
       └─────▶ revoked     by its person or an administrator, or because its person was disabled; for good

A token is found by its SHA-256; with that many random bits a plain digest needs neither salt nor slowness. It belongs to a person,
or to a service, and never opens more than they may do at that moment.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import secrets
import string
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.directory.domain.rights import Allowed, Grant, Limit, Right, allowed, both
from shared.core.alarms import Severity
from shared.core.endings import Lifetime
from shared.core.errors import InvalidInput, Unauthenticated

TOKEN_PREFIX = "odst_"  # noqa: S105 - the recognisable start of a token, so that secret scanners find a leaked one
TOKEN_CHARACTERS = 40
MAX_NAME_CHARACTERS = 80
LAST_USED_INTERVAL = dt.timedelta(minutes=1)
"""How often the last use of one token is written at most."""
_ALPHABET = string.ascii_letters + string.digits
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})
REFUSAL = "the API token or session is not known, was revoked, or has expired"


class TokenState(StrEnum):
    """Whether a token opens anything."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Token:
    """An API token without its text, which only its holder has."""

    token_id: str
    name: str
    person_id: str
    sha256: str
    created_by: str
    created: dt.datetime
    grants: tuple[Grant, ...] | None = None
    """What it may do at most; none for all that its person may."""
    rights: frozenset[Right] | None = None
    """If there are some: these alone."""
    expires: dt.datetime | None = None
    last_used: dt.datetime | None = None
    revoked: dt.datetime | None = None

    def state(self, now: dt.datetime) -> TokenState:
        """The state at `now`; revoked outweighs expired."""
        if self.revoked is not None:
            return TokenState.REVOKED
        if self.expires is not None and self.expires <= now:
            return TokenState.EXPIRED
        return TokenState.ACTIVE

    def nearing_its_end(self, now: dt.datetime, warning: dt.timedelta) -> Severity | None:
        """How bad it is that it ends soon. One that was never used, or made for less than the time of `warning`, harms nobody by ending."""
        if self.expires is None or self.last_used is None or self.state(now) is not TokenState.ACTIVE:
            return None
        life = Lifetime(self.created, self.expires)
        return life.nearing(now, warning) if life.ends - life.begins > warning else None

    def narrowed(self, person: Allowed, here: Collection[str]) -> dict[Right, Limit]:
        """What it opens, if its person is allowed that much."""
        found = dict(person) if self.grants is None else both(person, allowed(self.grants, here))
        return found if self.rights is None else {right: limit for right, limit in found.items() if right in self.rights}

    def gives(self, right: Right, here: Collection[str]) -> bool:
        """True if its own limits leave a right open, within whatever tags."""
        return right in self.narrowed(dict.fromkeys(Right), here)

    def use_is_worth_writing(self, now: dt.datetime) -> bool:
        """True if the last written use is old enough."""
        return self.last_used is None or now - self.last_used >= LAST_USED_INTERVAL


def new_token_text() -> str:
    """A new random token."""
    return TOKEN_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(TOKEN_CHARACTERS))


def fingerprint(token_text: str) -> str:
    """The SHA-256 by which a token is known, in hex."""
    return hashlib.sha256(token_text.encode()).hexdigest()


def checked_fingerprint(value: Any) -> str:
    """Let pass what can be a fingerprint.

    Raises:
        Unauthenticated: the same as for an unknown token.
    """
    if not isinstance(value, str) or not _SHA256_HEX.fullmatch(value):
        raise Unauthenticated(REFUSAL)
    return value


def usable(token: Token | None, now: dt.datetime) -> Token:
    """The token, if it opens anything at `now`.

    Raises:
        Unauthenticated: in one constant sentence, whether it is unknown, expired or revoked.
    """
    if token is None or token.state(now) is not TokenState.ACTIVE:
        raise Unauthenticated(REFUSAL)
    return token


def checked_name(name: Any) -> str:
    """A token's name: 1 to 80 visible characters.

    Raises:
        InvalidInput: TOKEN_NAME_INVALID.
    """
    text = name.strip() if isinstance(name, str) else ""
    if not 0 < len(text) <= MAX_NAME_CHARACTERS or any(unicodedata.category(c) in _UNPRINTABLE for c in text):
        raise InvalidInput(f"a token's name has 1 to {MAX_NAME_CHARACTERS} visible characters; say what uses it", "TOKEN_NAME_INVALID")
    return text


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long tokens are valid."""

    default: dt.timedelta
    longest: dt.timedelta

    def expiry(self, now: dt.datetime, valid_seconds: Any, latest: dt.datetime | None) -> dt.datetime:
        """When a token expires that is made now; without a wish, after the default.

        `latest` is when the token expires with which it is made, if there is one: it does not outlive that.

        Raises:
            InvalidInput: VALIDITY_INVALID, if the wish is no whole number of seconds, or longer than is allowed.
        """
        most = self.longest if latest is None else min(self.longest, latest - now)
        if valid_seconds is None:
            return now + min(self.default, most)
        if type(valid_seconds) is not int or not 0 < valid_seconds <= most.total_seconds():
            raise InvalidInput(
                f"valid_seconds is a whole number from 1 to {int(most.total_seconds())} here, or left out", "VALIDITY_INVALID"
            )
        return now + dt.timedelta(seconds=valid_seconds)


def read_rights(values: Any) -> frozenset[Right] | None:
    """A list of rights from outside.

    Raises:
        InvalidInput: RIGHT_UNKNOWN.
    """
    if values is None:
        return None
    if not isinstance(values, list | tuple) or not values:
        raise InvalidInput("rights are a list of at least one, or left out", "RIGHT_UNKNOWN")
    return frozenset(Right.parse(value) for value in values)
