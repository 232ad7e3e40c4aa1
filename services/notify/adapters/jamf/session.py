"""One conversation with a Jamf Pro server: tokens that are fresh, cookies that are kept, time and bodies that are bounded.

A token is renewed when it is near its end, and once more if the server refuses it all the same. A load balancer sends whoever brings its
cookie to the same node, which knows what was written a moment ago: so cookies are kept for as long as the conversation lasts.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import Any, Protocol
from urllib.parse import urlencode

from services.notify.adapters.jamf.failures import JamfFailed, failed, unreached
from services.notify.domain.channels import Secrets
from services.notify.domain.channels.jamf_pro import CLIENT_SECRET, PASSWORD, JamfChannel
from services.notify.domain.schedule import retry_after_seconds
from services.notify.ports import WebAnswer

MOST_BYTES = 8 << 20
"""Of one answer: a page of records is far smaller."""
SESSION_SECONDS = 30.0
"""For all calls together; the last may take as long as one call may."""
_NEAR_SECONDS = 30.0
JSON = "application/json"
Payload = tuple[bytes, str]
"""A body and its type."""
Clock = Callable[[], dt.datetime]


class Exchanges(Protocol):
    """The way out, guarded."""

    def exchange(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], most_bytes: int) -> WebAnswer:
        """Ask, within time limits; whatever goes wrong is an answer, not an error."""


@dataclass(frozen=True, slots=True)
class JamfAnswer:
    """What the server said."""

    status: int
    content: bytes

    def document(self) -> dict[str, Any]:
        """Its JSON object.

        Raises:
            JamfFailed: JAMF_ANSWER_UNREADABLE.
        """
        try:
            found = json.loads(self.content)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise JamfFailed("Jamf Pro answered something that is no JSON object: is this address that of a Jamf Pro server?", self.status)
        return found


@dataclass
class JamfSession:
    """Calls to one server in one name."""

    web: Exchanges
    channel: JamfChannel
    secrets: Secrets = field(repr=False)
    clock: Clock
    until: float = field(default_factory=lambda: time.monotonic() + SESSION_SECONDS)
    _token: str | None = field(default=None, repr=False)
    _renew_at: dt.datetime | None = None
    _cookies: dict[str, str] = field(default_factory=dict, repr=False)

    def ask(self, method: str, path: str, payload: Payload | None = None, *, accept: str = JSON, absent_ok: bool = False) -> JamfAnswer:
        """Ask, logged in. With `absent_ok`, 404 is an answer like others.

        Raises:
            JamfFailed: if it is not a success.
        """
        answer = self._asked(method, path, payload, accept)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._token = None
            answer = self._asked(method, path, payload, accept)
        is_good = answer.status is not None and HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES
        if not is_good and not (absent_ok and answer.status == HTTPStatus.NOT_FOUND):
            raise failed(method, path, answer, retry_after_seconds(answer.retry_after, self.clock()))
        return JamfAnswer(answer.status or 0, answer.content)

    def _asked(self, method: str, path: str, payload: Payload | None, accept: str) -> WebAnswer:
        headers = {"authorization": f"Bearer {self._fresh_token()}", "accept": accept}
        if payload:
            headers["content-type"] = payload[1]
        return self.exchange(method, path, payload[0] if payload else None, headers)

    def exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> WebAnswer:
        """Ask, with cookies and nothing else of ours.

        Raises:
            JamfFailed: if there is no answer.
        """
        if time.monotonic() > self.until:
            raise JamfFailed(f"Jamf Pro took longer than {SESSION_SECONDS:g} s in all")
        cookies = {"cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())} if self._cookies else {}
        answer = self.web.exchange(method, self.channel.url + path, body, {"user-agent": "odst", **cookies, **headers}, MOST_BYTES)
        self._keep(answer.cookies)
        if answer.status is None:
            raise unreached(answer.error)
        return answer

    def _keep(self, lines: tuple[str, ...]) -> None:
        for line in lines:
            try:
                found = SimpleCookie(line)
            except CookieError:
                continue
            for name, morsel in found.items():
                self._cookies[name] = morsel.coded_value
                if morsel["max-age"] == "0":
                    del self._cookies[name]

    def _fresh_token(self) -> str:
        if self._token is None or (self._renew_at is not None and self.clock() >= self._renew_at):
            self.log_in()
        return str(self._token)

    def log_in(self) -> None:
        """Get a token, by the client's secret or by a password.

        Raises:
            JamfFailed: JAMF_LOGIN_REFUSED, or whatever else went wrong.
        """
        document = self._by_client() if self.channel.client_id else self._by_password()
        token = document.get("access_token") or document.get("token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise JamfFailed("Jamf Pro gave no token: is this address that of a Jamf Pro server?")
        left = _lifetime(document, self.clock())
        self._token = token
        self._renew_at = self.clock() + dt.timedelta(seconds=left - min(_NEAR_SECONDS, left / 2))

    def _by_client(self) -> dict[str, Any]:
        wish = {"grant_type": "client_credentials", "client_id": self.channel.client_id, "client_secret": self.secrets[CLIENT_SECRET]}
        body, headers = urlencode(wish).encode(), {"content-type": "application/x-www-form-urlencoded", "accept": JSON}
        answer = self.exchange("POST", "/api/v1/oauth/token", body, headers)
        if answer.status == HTTPStatus.NOT_FOUND:  # before it had a version
            answer = self.exchange("POST", "/api/oauth/token", body, headers)
        return self._token_in(answer)

    def _by_password(self) -> dict[str, Any]:
        name = f"{self.channel.username}:{self.secrets[PASSWORD]}"
        headers = {"authorization": "Basic " + base64.b64encode(name.encode()).decode(), "accept": JSON}
        return self._token_in(self.exchange("POST", "/api/v1/auth/token", b"", headers))

    def _token_in(self, answer: WebAnswer) -> dict[str, Any]:
        if answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise JamfFailed("Jamf Pro refuses this client_id or username with this secret: give the right ones", answer.status)
        if answer.status != HTTPStatus.OK:
            raise failed("POST", "the token", answer, retry_after_seconds(answer.retry_after, self.clock()))
        return JamfAnswer(answer.status, answer.content).document()


def _lifetime(document: Mapping[str, Any], now: dt.datetime) -> float:
    """Seconds for which a token holds; half a minute if it does not say so in a way that can be read."""
    seconds, moment = document.get("expires_in"), document.get("expires")
    if isinstance(seconds, int | float) and seconds > 0:
        return float(min(seconds, 86_400))
    try:
        return max(1.0, min((dt.datetime.fromisoformat(str(moment)) - now).total_seconds(), 86_400))
    except (ValueError, TypeError):
        return _NEAR_SECONDS
