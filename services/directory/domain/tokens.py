"""API tokens: `odst_` and 40 characters of base62 (238 bits).

::

    active ──▶ expired     by the clock
       └─────▶ revoked     by an administrator, for good

A token is found by its SHA-256; with that many random bits a plain digest needs neither salt nor slowness.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import secrets
import string
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.directory.domain.rights import Role
from shared.core.errors import Conflict, InvalidInput, NotFound, Unauthenticated

TOKEN_PREFIX = "odst_"  # noqa: S105 - the recognisable start of a token, so that secret scanners find a leaked one
TOKEN_CHARACTERS = 40
MAX_NAME_CHARACTERS = 80
MAX_VALID_SECONDS = 10 * 366 * 86400
LAST_USED_INTERVAL = dt.timedelta(minutes=1)
"""How often the last use of one token is written at most."""
_ALPHABET = string.ascii_letters + string.digits
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})
_REFUSAL = "no valid API token was presented"


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
    role: Role
    sha256: str
    created_by: str
    created: dt.datetime
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
        raise Unauthenticated(_REFUSAL)
    return value


def usable(token: Token | None, now: dt.datetime) -> Token:
    """The token, if it opens anything at `now`.

    Raises:
        Unauthenticated: in one constant sentence, whether it is unknown, expired or revoked.
    """
    if token is None or token.state(now) is not TokenState.ACTIVE:
        raise Unauthenticated(_REFUSAL)
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


def expiry(created: dt.datetime, valid_seconds: Any) -> dt.datetime | None:
    """When a token of that validity expires; None for one that does not.

    Raises:
        InvalidInput: VALIDITY_INVALID, if it is no whole number of seconds between 1 and ten years.
    """
    if valid_seconds is None:
        return None
    if type(valid_seconds) is not int or not 0 < valid_seconds <= MAX_VALID_SECONDS:
        raise InvalidInput(f"valid_seconds is a whole number from 1 to {MAX_VALID_SECONDS}, or left out", "VALIDITY_INVALID")
    return created + dt.timedelta(seconds=valid_seconds)


def check_revocation(token_id: str, tokens: Iterable[Token], now: dt.datetime) -> None:
    """Refuse to revoke what must stay.

    Raises:
        NotFound: if there is no such token.
        Conflict: LAST_ADMINISTRATOR, if nobody could administer this instance any more.
    """
    known = {token.token_id: token for token in tokens}
    if token_id not in known:
        raise NotFound(f"there is no token {token_id[:40]!r}")
    open_doors = {token.token_id for token in known.values() if token.role is Role.ADMINISTRATOR and token.state(now) is TokenState.ACTIVE}
    if open_doors == {token_id}:
        raise Conflict("this is the last usable administrator token: create another one first", "LAST_ADMINISTRATOR")
