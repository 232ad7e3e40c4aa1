"""Who may pass: bearer tokens and sessions, checked by directory. Neither rides the bus itself; its SHA-256 does."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from flask import g, request

from services.api_gateway.http.cookies import SessionCookie, sha256
from services.api_gateway.ports import Services
from shared.core.errors import Forbidden, Unauthenticated

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Credential:
    """A token or a session, as directory knows it. Can be asked about again while an answer is still being sent."""

    method: str
    argument: str
    fingerprint: str = field(repr=False)

    def principal(self, services: Services, right: str) -> dict[str, Any]:
        """What directory says of whose it is.

        Raises:
            Unauthenticated: if it is none, or none any more.
            Forbidden: if it does not give this right.
        """
        arguments: dict[str, Any] = {self.argument: self.fingerprint, "right": right}
        found: dict[str, Any] = services.call("directory", self.method, **arguments)
        return found


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

    def credential(self) -> Credential:
        """With which the present request comes.

        Raises:
            Unauthenticated: if it comes with none.
            Forbidden: CSRF_REFUSED.
        """
        return self._token() if "Authorization" in request.headers else self._session()

    def _admit(self, right: str) -> None:
        try:
            principal = self.credential().principal(self._services, right)
        except Forbidden as error:
            g.refused = error.who
            raise
        g.principal, g.person, g.within = principal, principal["person"], principal.get("within")
        structlog.contextvars.bind_contextvars(person=principal["person"])

    def _token(self) -> Credential:
        kind, _, token = request.headers["Authorization"].partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise Unauthenticated("send an API token: Authorization: Bearer <token>")
        return Credential("authorize", "token_sha256", sha256(token.strip()))

    def _session(self) -> Credential:
        text = self._cookie.text()
        if text is None:
            raise Unauthenticated("send an API token (Authorization: Bearer <token>), or log in (POST /api/v1/session)")
        self._cookie.check(text)
        return Credential("authorize_session", "session_sha256", sha256(text))
