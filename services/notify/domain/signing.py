"""Signatures by Standard Webhooks 1.0.0 (https://github.com/standard-webhooks/standard-webhooks).

`v1,` and base64 of HMAC-SHA256, with the bytes of the secret, over `<webhook-id>.<webhook-timestamp>.<body>`.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import secrets

_PREFIX = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> str:
    """A new random secret, in the form that receivers paste."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def message_id(event_id: str) -> str:
    """What receivers know a message by: the same at every try."""
    return f"msg_{event_id}"


def signed_headers(secret: str, event_id: str, body: bytes, now: dt.datetime) -> dict[str, str]:
    """The headers of one try at `now`."""
    identifier, timestamp = message_id(event_id), str(int(now.timestamp()))
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signature = hmac.new(key, f"{identifier}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": identifier,
        "webhook-timestamp": timestamp,
        "webhook-signature": "v1," + base64.b64encode(signature).decode(),
    }
