"""Posting to addresses that others chose, without being led inside.

The name is resolved once, every address is checked, and the connection goes to a checked address: a second, different answer of
the DNS cannot matter, because it is never asked for. `shared.runtime.outbound` holds the conversation.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from urllib3.exceptions import HTTPError
from urllib3.util import Url, parse_url

from services.notify.domain.targets import Network, check_address
from services.notify.ports import WebAnswer
from shared.core.errors import InvalidInput
from shared.runtime.logging import get_logger
from shared.runtime.outbound import PORTS, Conversation, CutOff, Limits, Request, port_of, reason_of, resolve_by_system

log = get_logger(__name__)
Resolve = Callable[[str, int], Sequence[str]]
"""All addresses of a host name, as text; raises OSError if there are none."""
MAX_ANSWER_BYTES = 4096


@dataclass(frozen=True)
class Guard:
    """Decides where connections may go."""

    allowed: Sequence[Network] = ()
    resolve: Resolve = resolve_by_system

    def addresses(self, url: Url) -> list[str]:
        """Resolve the URL's host, once, and check every address.

        Raises:
            InvalidInput: WEBHOOK_TARGET_UNKNOWN, if it does not resolve; WEBHOOK_TARGET_FORBIDDEN, if any of its addresses
                is refused, whatever the others are.
        """
        host, port = (url.host or "").strip("[]"), port_of(url)
        try:
            found = list(self.resolve(host, port))
        except (OSError, UnicodeError) as error:
            raise InvalidInput(f"the name {host[:80]!r} does not resolve: {error}", "WEBHOOK_TARGET_UNKNOWN") from error
        for address in found:
            check_address(address, self.allowed)
        if not found:
            raise InvalidInput(f"the name {host[:80]!r} has no address", "WEBHOOK_TARGET_UNKNOWN")
        return found


@dataclass(frozen=True)
class GuardedHttp:
    """`Web` by urllib3."""

    guard: Guard
    limits: Limits
    tls: ssl.SSLContext

    def check(self, url: str) -> None:
        """Look where a URL leads now.

        Raises:
            InvalidInput: WEBHOOK_TARGET_FORBIDDEN, or WEBHOOK_TARGET_UNKNOWN.
        """
        self.guard.addresses(_parsed(url))

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> WebAnswer:
        """Post on a fresh connection. Whatever goes wrong is an answer, not an error."""
        answer = self._held("POST", url, body, {"user-agent": "odst-webhook", **headers}, _read_a_little)
        # The path of a webhook is often a secret: only the host is logged.
        log.info("webhook_posted", host=_host(url), message=headers.get("webhook-id"), status=answer.status, error=answer.error)
        return answer

    def exchange(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], most_bytes: int) -> WebAnswer:
        """Ask on a fresh connection, for an answer that counts whole or not at all. Whatever goes wrong is an answer, not an error."""
        return self._held(method, url, body, {"accept-encoding": "identity", **headers}, lambda response: _read_whole(response, most_bytes))

    def _held(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], read: Callable[[Any], WebAnswer]) -> WebAnswer:
        with CutOff(self.limits.total_seconds) as cut_off:
            try:
                parsed = _parsed(url)
                talk = Conversation(self.guard.addresses(parsed), self.limits, self.tls, cut_off)
                return talk.hold(Request(method, parsed, headers, body), read)
            except InvalidInput as error:
                return WebAnswer(error=f"{error.code}: {error}")
            except (HTTPError, OSError) as error:
                return WebAnswer(error=f"no whole answer within {self.limits.total_seconds:g} s" if cut_off.fired else reason_of(error))


def _parsed(url: str) -> Url:
    try:
        parsed = parse_url(url)
    except HTTPError as error:
        raise InvalidInput("the URL cannot be read", "WEBHOOK_URL_INVALID") from error
    if parsed.scheme not in PORTS or not parsed.host:
        raise InvalidInput("the URL is no http or https address", "WEBHOOK_URL_INVALID")
    return parsed


def _host(url: str) -> str | None:
    """The host of a URL, for logs."""
    with contextlib.suppress(HTTPError):
        return parse_url(url).host
    return None


def _read_a_little(response: Any) -> WebAnswer:
    # So that a short answer is not cut off with a reset; the status is known, so nothing here can change the outcome.
    content = b""
    with contextlib.closing(response), contextlib.suppress(HTTPError, OSError):
        content = response.read(MAX_ANSWER_BYTES, decode_content=False)
    return WebAnswer(response.status, response.headers.get("retry-after"), None, content)


def _read_whole(response: Any, most_bytes: int) -> WebAnswer:
    with contextlib.closing(response):
        content = response.read(most_bytes + 1, decode_content=False)
    if len(content) > most_bytes:
        raise OSError(f"an answer of more than {most_bytes} bytes")
    cookies = tuple(response.headers.getlist("set-cookie"))
    return WebAnswer(response.status, response.headers.get("retry-after"), None, content, cookies)
