"""The Admin API's doors to log in at a provider of OpenID Connect: two for browsers, two for programs.

::

    GET  /session/oidc ─▶ provider ─▶ GET /session/oidc/callback ─▶ a path of ours       the secret is in a cookie
    POST /session/oidc ─▶ the program opens a browser and waits at a loopback address
                          ─▶ POST /session/oidc/callback                                 the program keeps the secret

The two GETs change something. The first only remembers for ten minutes that somebody wants to log in. The second does what it does
only with the cookie that the first one set in the same browser, once; so nobody can let a browser log in as somebody else.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, jsonify, make_response, redirect, request
from markupsafe import escape

from services.api_gateway.http.acts import about
from services.api_gateway.http.admin_sessions import check_wait, me
from services.api_gateway.http.bodies import read, read_query
from services.api_gateway.http.cookies import LoginCookie, SessionCookie, check_navigation, sha256
from services.api_gateway.http.describing import described
from services.api_gateway.ports import Services
from shared.contracts.admin.people import LoginWays, Me, OidcEnd, OidcNext, OidcReturn, OidcStart, OidcWish
from shared.core.errors import Forbidden

_KNOWN = ("state", "code", "iss", "error")
_PAGE = (
    '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={path}"><title>ODST</title><a href="{path}">go on</a>'
)


def doors(services: Services, cookie: SessionCookie, login_cookie: LoginCookie) -> Blueprint:
    """All of them."""
    api = Blueprint("oidc", __name__)
    logins = _Logins(services, cookie)

    @api.get("/session/ways")
    @described(answers={200: LoginWays})
    def ways() -> Response:
        """Say how one can log in here."""
        return jsonify(services.call("directory", "log_in_ways"))

    _for_browsers(api, logins, login_cookie)
    _for_programs(api, logins, cookie)
    return api


def _for_browsers(api: Blueprint, logins: _Logins, login_cookie: LoginCookie) -> None:
    @api.get("/session/oidc")
    @described(query=OidcNext, answers={302: None})
    def go_to_provider() -> Response:
        """Send the browser to the provider, to log in there."""
        check_navigation()
        begun = logins.begin(None, read_query(OidcNext).next)
        answer = make_response(redirect(begun["url"], 302))
        login_cookie.put(answer, begun["secret"], begun["expires_seconds"])
        return answer

    @api.get("/session/oidc/callback")
    @described(query=OidcReturn, answers={200: "text/html"})
    def come_from_provider() -> Response:
        """Log in whom the provider sends back; the page leads on to where the browser wanted to."""
        check_navigation()
        text, found = logins.finish(_returned(), login_cookie.text())
        # A redirect would still be a part of the way that began at the provider: the session's cookie, which is strict, would not be
        # sent along. A page of ours that leads on begins a way of its own.
        answer = Response(_PAGE.format(path=escape(found["next_path"])), mimetype="text/html")
        g.person = found["person"]
        logins.cookie.put(answer, text)
        login_cookie.remove(answer)
        return answer


def _returned() -> dict[str, Any]:
    return read_query(OidcReturn, among=_KNOWN).model_dump()


def _for_programs(api: Blueprint, logins: _Logins, cookie: SessionCookie) -> None:
    @api.post("/session/oidc")
    @described(body=OidcWish, answers={201: OidcStart})
    def begin_log_in() -> tuple[Response, int]:
        """Begin a log-in for a program, which opens the address in a browser and waits for what the provider sends back."""
        cookie.check_origin()
        return jsonify(logins.begin(read(OidcWish).redirect_uri, None)), 201

    @api.post("/session/oidc/callback")
    @described(body=OidcEnd, answers={201: Me})
    def finish_log_in() -> tuple[Response, int]:
        """Log in whom the provider sent back to a program, as `POST /session` does."""
        cookie.check_origin()
        end = read(OidcEnd)
        text, found = logins.finish(end.model_dump(include=set(_KNOWN)), end.secret)
        answer = jsonify(me(found, text))
        cookie.put(answer, text)
        return answer, 201


class _Logins:
    """What both kinds of doors ask of directory."""

    def __init__(self, services: Services, cookie: SessionCookie) -> None:
        self._services, self.cookie = services, cookie

    def begin(self, redirect_uri: str | None, next_path: str | None) -> dict[str, Any]:
        """Where to log in, and with what to finish it."""
        self.cookie.new_text()  # where no session can be, none is begun
        begun = self._services.call("directory", "begin_oidc", redirect_uri=redirect_uri, next_path=next_path, address=g.address)
        check_wait(begun)
        return dict(begun)

    def finish(self, returned: dict[str, Any], secret: str) -> tuple[str, dict[str, Any]]:
        """The text of a new session, and whose it is."""
        text, agent = self.cookie.new_text(), request.headers.get("User-Agent", "")
        about(way="oidc")
        try:
            found = self._services.call(
                "directory",
                "finish_oidc",
                returned=returned,
                secret=secret,
                session_sha256=sha256(text),
                address=g.address,
                agent=agent,
            )
        except Forbidden as error:
            about(way="oidc", reason=error.message)
            raise
        check_wait(found)
        return text, dict(found)
