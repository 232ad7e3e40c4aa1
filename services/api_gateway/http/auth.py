"""Who may pass: bearer tokens, checked by directory. The token itself never rides the bus; its SHA-256 does."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from flask import g, request

from services.api_gateway.ports import Services
from shared.core.errors import Unauthenticated

F = TypeVar("F", bound=Callable[..., Any])


class Guard:
    """Asks directory about every call."""

    def __init__(self, services: Services) -> None:
        """`services` reaches directory."""
        self._services = services

    def requires(self, right: str) -> Callable[[F], F]:
        """Decorator: the caller must have this right. `g.person` is who calls."""

        def decorate(view: F) -> F:
            @functools.wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                self._admit(right)
                return view(*args, **kwargs)

            guarded.odst_right = right  # type: ignore[attr-defined]  # read by `describing.right_of`
            return guarded  # type: ignore[return-value]

        return decorate

    def _admit(self, right: str) -> None:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise Unauthenticated("send an API token: Authorization: Bearer <token>")
        digest = hashlib.sha256(token.strip().encode()).hexdigest()
        principal = self._services.call("directory", "authorize", token_sha256=digest, right=right)
        g.principal, g.person = principal, principal["person"]
        structlog.contextvars.bind_contextvars(person=principal["person"])
