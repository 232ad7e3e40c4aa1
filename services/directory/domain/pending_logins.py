"""Log-ins that were begun here and are finished at a provider of identities: what is remembered meanwhile, and what is not.

::

    begun ──▶ finished         once, by whoever holds the secret (a cookie of the browser, or the memory of a program)
      └─────▶ expired          after ten minutes

Of the state and the secret only digests are kept. The nonce and the verifier of PKCE are made from the secret, one way: nobody who
reads the database can finish a log-in that somebody else has begun.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Any, Self

from shared.core.errors import InvalidInput

LASTS = dt.timedelta(minutes=10)
"""How long somebody may take at the provider."""
MOST = 2000
"""Log-ins under way at once; whoever comes then has to wait."""
MOST_FROM_ADDRESS = 50
"""Of these, from one address."""
DEFAULT_PATH = "/api/v1/session"
"""Where a browser goes that did not say where it wants to."""
_MOST_CHARACTERS = 500
_OUR_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")  # printable ASCII but space and backslash, which browsers take for a slash
_LOOPBACK = re.compile(r"http://(?:127\.0\.0\.1|\[::1\]|localhost):([1-9][0-9]{0,4})(?:/[A-Za-z0-9._~-]{0,60})?")
_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """What is remembered of one."""

    state_sha256: str
    secret_sha256: str
    redirect_uri: str
    """Where the provider sends its answer; it is told the same again when the code is exchanged."""
    next_path: str
    """Where the browser goes afterwards, at this instance."""
    address: str
    """The key of the address from which it was begun."""
    created: dt.datetime


@dataclass(frozen=True, slots=True)
class Proof:
    """What shows the provider, and us, that an answer belongs to the log-in that was begun with a secret."""

    nonce: str
    verifier: str

    @classmethod
    def of(cls, secret: str) -> Self:
        """The same for the same secret."""
        return cls(_made(secret, b"nonce"), _made(secret, b"verifier"))

    def __repr__(self) -> str:
        """Nothing of it, for logs and tracebacks."""
        return "Proof()"


@dataclass(frozen=True, slots=True)
class Returned:
    """What the provider said through the browser."""

    code: str
    issuer: str | None


def new_secret() -> str:
    """256 random bits, for a state or a secret."""
    return secrets.token_urlsafe(32)


def digest(text: str) -> str:
    """By which a state or a secret is found."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def checked_path(path: Any) -> str:
    """Where a browser goes when it is logged in: a path of this instance, and no other place.

    Raises:
        InvalidInput: PATH_INVALID.
    """
    if path is None:
        return DEFAULT_PATH
    if not isinstance(path, str) or len(path) > _MOST_CHARACTERS or not _OUR_PATH.fullmatch(path):
        raise InvalidInput("`next` is a path of this instance, such as /api/v1/session: it begins with one slash", "PATH_INVALID")
    return path


def checked_loopback(uri: Any) -> str:
    """Where a program waits for the provider's answer: on the machine on which it runs (RFC 8252, 7.3), and nowhere else.

    Raises:
        InvalidInput: REDIRECT_URI_INVALID.
    """
    found = _LOOPBACK.fullmatch(uri) if isinstance(uri, str) else None
    if found is None or int(found.group(1)) > _HIGHEST_PORT:
        raise InvalidInput(
            "a program waits at a loopback address, such as http://127.0.0.1:54321/: use this, and a free port", "REDIRECT_URI_INVALID"
        )
    return str(uri)


def _made(secret: str, purpose: bytes) -> str:
    made = hmac.digest(secret.encode("utf-8", "surrogatepass"), b"odst oidc " + purpose, "sha256")
    return base64.urlsafe_b64encode(made).decode().rstrip("=")
