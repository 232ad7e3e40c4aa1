"""The ID token: whether it holds (OpenID Connect Core 1.0, 3.1.3.7), by Authlib's rules about claims and joserfc's about signatures."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""By which a token may be signed. Never `none`, and never one whose key both sides know (HS256)."""
_SKEW_SECONDS = 60
"""How far the clocks of both sides may be apart."""


class TokenRefused(Exception):
    """The token does not hold; the text says why, for the log."""


class KeyUnknown(TokenRefused):
    """It names a key that is not known."""


class _Registry(JWSRegistry):
    """joserfc's, for tokens with many groups in them, and with chains of certificates in their headers."""

    max_header_length = 16 << 10
    max_payload_length = 1 << 20


_REGISTRY = _Registry(algorithms=ALGORITHMS)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token must say."""

    issuer: str
    client_id: str
    nonce: str


def verified(text: Any, keys: KeySet, expected: Expected, access_token: str | None) -> dict[str, Any]:
    """What an ID token says, which holds: signed by one of the keys, for us, now, and for this log-in.

    Raises:
        TokenRefused: if it does not; `KeyUnknown` if newer keys may help.
    """
    if not isinstance(text, str):
        raise TokenRefused("there is no ID token in the answer: is `openid` among ODST_OIDC_SCOPES?")
    try:
        token = jwt.decode(text, keys, registry=_REGISTRY)
        claims = CodeIDToken(
            token.claims,
            token.header,
            options={"iss": {"essential": True, "value": expected.issuer}, "aud": {"essential": True, "value": expected.client_id}},
            params={"nonce": expected.nonce, "client_id": expected.client_id, "access_token": access_token},
        )
        claims.validate(now=int(time.time()), leeway=_SKEW_SECONDS)
    except InvalidKeyIdError as error:
        raise KeyUnknown(str(error)[:200]) from error
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise TokenRefused(f"{type(error).__name__}: {error}"[:200]) from error
    return dict(claims)
