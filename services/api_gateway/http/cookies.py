"""The cookie of a session, and the proof that a page of ours sends with it.

A browser sends the cookie along with whatever any page lets it ask for. So whatever changes something also needs the session's
token against cross-site request forgery (CSRF) in a header, which other sites can neither read nor send. It is made from the
cookie's text, one way, so nothing needs to be kept for it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Response, request

from shared.core.errors import Forbidden

LOGIN_PATH = "/api/v1/session/oidc"
"""Below which a browser sends the cookie of a log-in that is under way."""
CSRF_HEADER = "X-Ods-Csrf"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS = frozenset({"same-origin", "none"})
_PURPOSE = b"odst csrf 1"


def csrf_token(text: str) -> str:
    """What a page sends in `X-Ods-Csrf`, for a session with this cookie."""
    return base64.urlsafe_b64encode(hmac.digest(text.encode(), _PURPOSE, "sha256")).decode().rstrip("=")


def sha256(text: str) -> str:
    """By which the directory knows a session or a token: the text itself never rides the bus."""
    return hashlib.sha256(text.encode()).hexdigest()


class SessionCookie:
    """Reads, sets and guards the cookie.

    With HTTPS it is `__Host-odst-session`, which no other host and no plain connection can set. Without, there is one for an
    instance at a loopback address alone, for developers; anywhere else nobody logs in, because the password could be read on the way.
    """

    def __init__(self, public_url: str) -> None:
        """`public_url` says how browsers reach the instance."""
        parts = urlsplit(public_url)
        self._origin = f"{parts.scheme}://{parts.netloc}".lower()
        self._secure = parts.scheme == "https"
        self._usable = self._secure or _is_loopback(parts.hostname or "")
        self.name = "__Host-odst-session" if self._secure else "odst-session"

    def text(self) -> str | None:
        """The text that came with the present request."""
        return request.cookies.get(self.name)

    def new_text(self) -> str:
        """A new one, of 256 random bits.

        Raises:
            Forbidden: TLS_NEEDED.
        """
        if not self._usable:
            raise Forbidden("a password is not sent without TLS: set ODST_PUBLIC_URL to the https address of this instance", "TLS_NEEDED")
        return secrets.token_urlsafe(32)

    def put(self, response: Response, text: str) -> None:
        """Let the browser have it until it is closed; the server ends the session earlier."""
        response.set_cookie(self.name, text, path="/", secure=self._secure, httponly=True, samesite="Strict")

    def remove(self, response: Response) -> None:
        """Let the browser forget it."""
        response.delete_cookie(self.name, path="/", secure=self._secure, httponly=True, samesite="Strict")

    def check(self, text: str) -> None:
        """Let pass what changes nothing, and what a page of ours asks for.

        Raises:
            Forbidden: CSRF_REFUSED.
        """
        if request.method in _SAFE:
            return
        self.check_origin()
        if not hmac.compare_digest(request.headers.get(CSRF_HEADER, "").encode(), csrf_token(text).encode()):
            raise Forbidden(
                f"a change in a session needs its csrf_token in the header {CSRF_HEADER}: see GET /api/v1/session", "CSRF_REFUSED"
            )

    def check_origin(self) -> None:
        """Let pass what a page of ours asks for, as far as the browser says from where it is asked.

        Raises:
            Forbidden: CSRF_REFUSED.
        """
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        ours = (self._origin, f"{request.scheme}://{request.host}".lower())
        if (site is not None and site not in _OURS) or (origin is not None and origin.lower() not in ours):
            raise Forbidden("this was asked for by a page of another site", "CSRF_REFUSED")


class LoginCookie:
    """What shows that an answer of the provider comes back to the browser in which the log-in was begun.

    It must come along when the provider sends the browser back to us, so its SameSite is Lax; it opens nothing by itself. With HTTPS
    no other host of the same domain can set it (`__Host-`), and so let a browser finish a log-in that was begun in another one.
    """

    def __init__(self, public_url: str) -> None:
        """`public_url` says how browsers reach the instance."""
        self._secure = urlsplit(public_url).scheme == "https"
        self.name = "__Host-odst-login" if self._secure else "odst-login"
        self._path = "/" if self._secure else LOGIN_PATH  # `__Host-` wants the whole host

    def text(self) -> str:
        """The text that came with the present request; empty if none did."""
        return request.cookies.get(self.name, "")

    def put(self, response: Response, text: str, seconds: int) -> None:
        """Let the browser have it for so long."""
        response.set_cookie(self.name, text, max_age=seconds, path=self._path, secure=self._secure, httponly=True, samesite="Lax")

    def remove(self, response: Response) -> None:
        """Let the browser forget it."""
        response.delete_cookie(self.name, path=self._path, secure=self._secure, httponly=True, samesite="Lax")


def check_navigation() -> None:
    """Let pass a GET for which somebody goes to a page, as far as the browser says what for; not what a page asks for by itself.

    Raises:
        Forbidden: CSRF_REFUSED.
    """
    mode, destination = request.headers.get("Sec-Fetch-Mode", "navigate"), request.headers.get("Sec-Fetch-Dest", "document")
    if (mode, destination) != ("navigate", "document"):
        raise Forbidden("a log-in begins and ends in the browser's address bar, not within a page", "CSRF_REFUSED")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
