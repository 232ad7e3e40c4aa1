"""Connections to one instance: who asks, how long is waited, and what is tried again.

::

    safe or idempotent (GET, PUT, PATCH, DELETE),       tried again when the connection broke, and on 503 and 504, after the
    or with an Idempotency-Key                          time that the instance says in Retry-After; on 409, if that says
                                                        that the same request has not ended yet
    all else (most POSTs), and bytes of packages        tried again only if no connection was made: nothing was sent then
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from odst_client.failures import CallFailed, refusal, unreachable, unwritable

CORRELATION_HEADER = "Ods-Correlation-Id"
"""Finds a call in the logs of every instance that it touched."""
_AWAY = (requests.codes.service_unavailable, requests.codes.gateway_timeout)


class _Repeats(Retry):
    """Also waits for a request that came before and is still under way: the one 409 with Retry-After."""

    RETRY_AFTER_STATUS_CODES = Retry.RETRY_AFTER_STATUS_CODES | {requests.codes.conflict}


@dataclass(frozen=True)
class Patience:
    """How long is waited, and how often is tried."""

    connect_seconds: float = 10
    read_seconds: float = 60
    """The longest silence of the instance."""
    tries: int = 3
    pause_seconds: float = 0.2
    """Before the third try; the double before each further one. The second follows at once."""
    longest_pause_seconds: int = 10
    """Whatever the instance says in Retry-After."""

    def for_anything(self) -> Retry:
        """What may be done twice."""
        return _Repeats(
            self.tries - 1,
            allowed_methods=None,
            status_forcelist=_AWAY,
            backoff_factor=self.pause_seconds,
            backoff_max=self.longest_pause_seconds,
            retry_after_max=self.longest_pause_seconds,
            raise_on_status=False,
            redirect=0,
        )

    def for_connections(self) -> Retry:
        """What may not: only making the connection is tried again."""
        return Retry(
            self.tries - 1,
            read=False,
            status=0,
            other=0,
            redirect=0,
            backoff_factor=self.pause_seconds,
            backoff_max=self.longest_pause_seconds,
            respect_retry_after_header=False,
        )


class Transport:
    """Sends requests to one instance."""

    def __init__(self, url: str, token: str | None, correlation_id: str | None, patience: Patience, ca_file: Path | None = None) -> None:
        """Nothing is connected yet. Without `correlation_id`, each request gets one of its own."""
        self.url = url.rstrip("/")
        self._correlation_id = correlation_id
        self._timeouts = (patience.connect_seconds, patience.read_seconds)
        self._ca_file = ca_file
        self._repeating = _session(token, patience.for_anything(), ca_file)
        self._once = _session(token, patience.for_connections(), ca_file)
        # Whoever logged in by one of the two is in a session with both.
        self._once.cookies = self._repeating.cookies

    def send(self, method: str, path: str, *, repeats: bool, headers: dict[str, str] | None = None, **arguments: Any) -> requests.Response:
        """One request; the answer, whatever its status.

        Raises:
            CallFailed: UNREACHABLE, TLS_FAILED, URL_INVALID, CA_FILE_UNUSABLE; BODY_INVALID, if a text cannot be written there.
        """
        named = {CORRELATION_HEADER: self._correlation_id or uuid.uuid4().hex, **(headers or {})}
        session = self._repeating if repeats else self._once
        try:
            return session.request(method, self.url + path, headers=named, timeout=self._timeouts, allow_redirects=False, **arguments)
        except requests.RequestException as error:
            raise unreachable(self.url, error) from error
        except UnicodeError as error:
            raise unwritable() from error
        except OSError as error:
            raise CallFailed("CA_FILE_UNUSABLE", f"{self._ca_file} holds no certificates that could be read: {error}") from error

    def done(self, method: str, path: str, *, repeats: bool, **arguments: Any) -> requests.Response:
        """One request; the answer, if it did what was asked.

        Raises:
            CallFailed: with the code of the instance's answer, UNREACHABLE, URL_INVALID.
        """
        answer = self.send(method, path, repeats=repeats, **arguments)
        if answer.status_code >= requests.codes.multiple_choices:
            raise refusal(answer)
        return answer

    def always_send(self, header: str, value: str | None) -> None:
        """A header field of all further requests; none if there is no value."""
        for session in (self._repeating, self._once):
            if value is None:
                session.headers.pop(header, None)
            else:
                session.headers[header] = value

    def close(self) -> None:
        """End all connections."""
        self._repeating.close()
        self._once.close()


def _session(token: str | None, retry: Retry, ca_file: Path | None) -> requests.Session:
    session = requests.Session()
    session.verify = str(ca_file) if ca_file else True
    # Settings of the machine, such as ~/.netrc or a proxy, must not reach a site's own servers.
    session.trust_env = False
    if token:
        session.headers["Authorization"] = f"Bearer {token}"
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session
