"""Who may pass: bearer tokens and sessions, checked by directory. Neither rides the bus itself; its SHA-256 does."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from flask import g, request

from services.api_gateway.http.cookies import SessionCookie, sha256
from services.api_gateway.ports import Services
from shared.core.errors import Forbidden, Unauthenticated

F = TypeVar("F", bound=Callable[..., Any])


class Guard:
    """Asks directory about every call."""

    def __init__(self, services: Services, cookie: SessionCookie) -> None:
        """`services` reaches directory."""
        self._services, self._cookie = services, cookie

    def requires(self, right: str) -> Callable[[F], F]:
        """Decorator: the caller must have this right.

        `g.person` is who calls, `g.within` the staging tags within which the right holds (none for all), and `g.principal` all
        that directory says of the caller.
        """

        def decorate(view: F) -> F:
            @functools.wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                self._admit(right)
                return view(*args, **kwargs)

            guarded.odst_right = right  # type: ignore[attr-defined]  # read by `describing.right_of`
            return guarded  # type: ignore[return-value]

        return decorate

    def _admit(self, right: str) -> None:
        try:
            principal = self._by_token(right) if "Authorization" in request.headers else self._by_session(right)
        except Forbidden as error:
            g.refused = error.who
            raise
        g.principal, g.person, g.within = principal, principal["person"], principal.get("within")
        structlog.contextvars.bind_contextvars(person=principal["person"])

    def _by_token(self, right: str) -> dict[str, Any]:
        kind, _, token = request.headers["Authorization"].partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise Unauthenticated("send an API token: Authorization: Bearer <token>")
        found: dict[str, Any] = self._services.call("directory", "authorize", token_sha256=sha256(token.strip()), right=right)
        return found

    def _by_session(self, right: str) -> dict[str, Any]:
        text = self._cookie.text()
        if text is None:
            raise Unauthenticated("send an API token (Authorization: Bearer <token>), or log in (POST /api/v1/session)")
        self._cookie.check(text)
        found: dict[str, Any] = self._services.call("directory", "authorize_session", session_sha256=sha256(text), right=right)
        return found
