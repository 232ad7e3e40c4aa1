"""Signatures by Standard Webhooks 1.0.0 (https://github.com/standard-webhooks/standard-webhooks).

`v1,` and base64 of HMAC-SHA256, with the bytes of the secret, over `<webhook-id>.<webhook-timestamp>.<body>`.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import secrets
from collections.abc import Sequence

_PREFIX = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> str:
    """A new random secret, in the form that receivers paste."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def message_id(event_id: str) -> str:
    """What receivers know a message by: the same at every try."""
    return f"msg_{event_id}"


def signed_headers(keys: Sequence[str], event_id: str, body: bytes, now: dt.datetime) -> dict[str, str]:
    """The headers of one try at `now`, with a signature by each of the secrets: a receiver verifies any one of them."""
    identifier, timestamp = message_id(event_id), str(int(now.timestamp()))
    signed = f"{identifier}.{timestamp}.".encode() + body
    return {
        "webhook-id": identifier,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(secret, signed) for secret in keys),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
