"""Requests to the provider: within a deadline, of a size, by TLS, without redirects and without proxies of the environment."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from services.directory.adapters.certificate_advice import about_a_certificate
from services.directory.adapters.deadlines import Deadline, addresses
from services.directory.adapters.oidc_plan import broken_rule
from shared.runtime.outbound import Conversation, CutOff, Limits, Request, port_of, reason_of

MOST_BYTES = 1 << 20
"""Of one answer."""
_OK, _CLIENT_ERROR, _SERVER_ERROR = 200, 400, 500


class ProviderFault(Exception):
    """A provider that did not do its part: at which step, and what to do. Holds no secret."""

    def __init__(self, step: str, advice: str) -> None:
        """`advice` is one sentence for whoever runs the instance."""
        super().__init__(step, advice)
        self.step, self.advice = step, advice

    def __str__(self) -> str:
        """The sentence."""
        return self.advice


@dataclass(frozen=True)
class Reply:
    """An answer that is JSON."""

    status: int
    document: dict[str, Any]


@dataclass(frozen=True)
class _Ask:
    step: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True)
class ProviderWeb:
    """Asks; whatever goes wrong is a `ProviderFault`."""

    tls: ssl.SSLContext

    def get(self, step: str, url: str, deadline: Deadline, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object at a URL.

        Raises:
            ProviderFault: at this step, if there is none.
        """
        reply = self._ask(_Ask(step, "GET", url, headers or {}), deadline)
        if reply.status != _OK:
            raise ProviderFault(step, f"{_short(url)} answered {reply.status}, and should answer 200")
        return reply.document

    def post(self, step: str, url: str, deadline: Deadline, headers: Mapping[str, str], form: str) -> Reply:
        """What comes of sending a form: done, or refused.

        Raises:
            ProviderFault: at this step, if it is neither.
        """
        reply = self._ask(_Ask(step, "POST", url, headers, form.encode()), deadline)
        if reply.status != _OK and not _CLIENT_ERROR <= reply.status < _SERVER_ERROR:
            raise ProviderFault(step, f"{_short(url)} answered {reply.status}, which is neither done nor refused")
        return reply

    def _ask(self, ask: _Ask, deadline: Deadline) -> Reply:
        step, url = ask.step, ask.url
        rule = broken_rule(url)
        if rule:
            raise ProviderFault(step, f"{_short(url)} is not asked: {rule}")
        try:
            return self._exchange(ask, deadline)
        except TimeoutError:
            raise ProviderFault(step, f"{_short(url)} did not answer wholly in time: is it frozen, or does a firewall drop it?") from None
        except (HTTPError, OSError) as error:
            raise ProviderFault(step, f"{_short(url)}: {_about(error)}") from error

    def _exchange(self, ask: _Ask, deadline: Deadline) -> Reply:
        parsed = parse_url(ask.url)
        places = addresses((parsed.host or "").strip("[]"), port_of(parsed), deadline.remaining())
        left = deadline.remaining()
        with CutOff(left) as cut_off:
            talk = Conversation(places, Limits(left, left), self.tls, cut_off)
            told = {"user-agent": "odst", "accept": "application/json", **ask.headers}
            try:
                status, content = talk.hold(Request(ask.method, parsed, told, ask.body), _read)
            except (HTTPError, OSError):
                if cut_off.fired:
                    raise TimeoutError from None
                raise
            if cut_off.fired:
                raise TimeoutError
        return Reply(status, _object(ask.step, ask.url, status, content))


def _read(response: Any) -> tuple[int, bytes]:
    with contextlib.closing(response):
        return response.status, response.read(MOST_BYTES + 1, decode_content=False)


def _object(step: str, url: str, status: int, content: bytes) -> dict[str, Any]:
    if 300 <= status < 400:  # noqa: PLR2004 - the redirects
        raise ProviderFault(step, f"{_short(url)} sends us to another address, which is not followed: give the right one")
    if len(content) > MOST_BYTES:
        raise ProviderFault(step, f"{_short(url)} answered with more than {MOST_BYTES} bytes")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        if status != _OK:
            return {}
        raise ProviderFault(step, f"{_short(url)} did not answer with a JSON object: is it a provider of OpenID Connect?")
    return document


def _about(error: Exception) -> str:
    inner: Any = error
    while inner.args and isinstance(inner.args[-1], Exception):
        inner = inner.args[-1]
    if isinstance(inner, ssl.SSLCertVerificationError):
        return about_a_certificate(inner, "ODST_OIDC_CA_FILE", "ODST_OIDC_ISSUER")
    return f"it cannot be reached ({reason_of(error)[:200]})"


def _short(url: object) -> str:
    return str(url)[:200]
