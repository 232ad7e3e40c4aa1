"""How often anybody may call the Admin API: by token or session, and by address. Downloads and peers are not counted.

Counted in the memory of this process: a restart begins anew, and each gateway counts for itself. Passwords have a limit of their
own, which does neither (`services/directory/domain/throttle.py`).
"""

from __future__ import annotations

import time

from flask import Flask, g, request
from flask_limiter import ApplicationLimit, Limiter, RequestLimit

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http.cookies import SessionCookie, sha256
from shared.core.errors import TooMany

_COUNTED = "/api/"


def install(app: Flask, settings: ApiGatewaySettings, cookie: SessionCookie) -> None:
    """Count calls, and refuse those that are too many with 429 and `Retry-After`; a limit of 0 is none."""

    def credential() -> str:
        text = request.headers.get("Authorization") or cookie.text()
        return f"credential:{sha256(text)}" if text else _address()

    wished = ((settings.api_calls_per_minute, credential), (settings.api_calls_per_minute_from_address, _address))
    limits = [ApplicationLimit(f"{most} per minute", key_function=key) for most, key in wished if most]
    if limits:
        limiter = Limiter(_address, app=app, application_limits=list(limits), storage_uri="memory://", on_breach=_refuse)
        limiter.request_filter(lambda: not request.path.startswith(_COUNTED))


def _address() -> str:
    return f"address:{g.address}"


def _refuse(limit: RequestLimit) -> None:
    seconds = max(1, limit.reset_at - int(time.time()))
    raise TooMany(f"too many calls: at most {limit.limit.amount} a minute; wait {seconds} s", retry_after_seconds=seconds)
