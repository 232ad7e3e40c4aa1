"""A peer that asks: a key, an address, requests signed rightly or not, and what was read so far."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from cli.conformance.violation import Violation, require
from shared.core.errors import Unauthenticated
from shared.core.identity import InstanceId
from shared.core.invitation import Invitation
from shared.runtime import http_signatures
from shared.runtime.keys import InstanceKey

CORRELATION_ID = "conformance-check"
MAX_ANSWER_BYTES = 8 << 20
_TIMEOUT_SECONDS = 30
_MOST_PAGES = 500
PAGE = 1000
Headers = dict[str, str | None]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: requests.structures.CaseInsensitiveDict[str]
    body: bytes
    sent: http_signatures.Request

    def json(self) -> dict[str, Any]:
        """The JSON object in the body.

        Raises:
            Violation: if it is none.
        """
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Violation("a JSON object", self) from error
        require(isinstance(document, dict), "a JSON object", self)
        return dict(document)

    @property
    def code(self) -> str:
        """The code of a problem; empty if there is none."""
        try:
            return str(self.json().get("code", ""))
        except Violation:
            return ""

    def __str__(self) -> str:
        """As the report shows it."""
        return f"{self.status} {self.body[:160].decode('utf-8', 'replace')!r}"


@dataclass
class Scene:
    """One peer in front of one instance. Nothing but the registration stays there, but for what a wrong clock and rings leave behind."""

    url: str
    invitation: Invitation
    key: InstanceKey = field(default_factory=InstanceKey.generate)
    instance_key: bytes | None = None
    """Raw public key of the instance, once it has shown it."""
    ca_file: Path | None = None
    """Certificates of the authorities to believe, instead of the public ones."""
    _session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        """Settings of the machine, such as a proxy, must not reach the instance."""
        self.url = self.url.rstrip("/")
        self._session.trust_env = False
        self._session.verify = str(self.ca_file) if self.ca_file else True

    @property
    def instance_id(self) -> InstanceId:
        """Whom the invitation names."""
        return self.invitation.instance_id

    def signed(self, method: str, target: str, body: bytes = b"", *, recipient: InstanceId | None = None, **otherwise: Any) -> Headers:
        """The headers of a request, signed rightly but for `otherwise`: fields of `http_signatures.Signing`."""
        message = http_signatures.Request(method, target, {http_signatures.RECIPIENT_HEADER: str(recipient or self.instance_id)})
        http_signatures.Signing(**{"key": self.key, **otherwise}).sign(message, body)
        return {**message.headers}

    def send(self, method: str, target: str, body: bytes, headers: Headers) -> Answer:
        """Send as it is; headers that are None are left out. Redirects are not followed.

        Raises:
            requests.RequestException: if there is no answer.
        """
        kept = {name: value for name, value in headers.items() if value is not None}
        told = {"Accept-Encoding": "identity", "Ods-Correlation-Id": CORRELATION_ID, **kept}
        prepared = requests.Request(method, self.url, headers=told, data=body or None).prepare()
        prepared.url = f"{self.url}{target}"
        with self._session.send(prepared, timeout=_TIMEOUT_SECONDS, allow_redirects=False, stream=True) as response:
            content = response.raw.read(MAX_ANSWER_BYTES, decode_content=False)
            return Answer(response.status_code, response.headers, content, http_signatures.Request(method, target, dict(kept)))

    def ask(self, method: str, target: str, document: Any = None, *, headers: Headers | None = None, **otherwise: Any) -> Answer:
        """Sign and send. A document that is bytes is sent as it is; `headers` are set after signing."""
        body = document if isinstance(document, bytes) else b"" if document is None else json.dumps(document).encode()
        return self.send(method, target, body, {**self.signed(method, target, body, **otherwise), **(headers or {})})

    def told(self, method: str, target: str, document: Any = None) -> dict[str, Any]:
        """The JSON of a 200 that the instance signed.

        Raises:
            Violation: if it is none.
        """
        answer = self.ask(method, target, document)
        require(answer.status == requests.codes.ok, f"200 to {method} {target[:80]}", answer)
        self.check_signature(answer)
        return answer.json()

    def check_signature(self, answer: Answer) -> None:
        """Hold an answer to the key of the instance and to the request that it is about.

        Raises:
            Violation: if it is unsigned, or signed otherwise.
        """
        shown = http_signatures.Response(answer.status, dict(answer.headers), answer.sent)
        try:
            http_signatures.verify_response(shown, answer.body, self.instance_id, self.instance_key or b"")
        except Unauthenticated as error:
            raise Violation("an answer signed by the instance for this request", error) from error

    @functools.cached_property
    def status(self) -> dict[str, Any]:
        """What the instance says of itself."""
        return self.told("GET", "/ods/v1/status")

    @functools.cached_property
    def speaks_second(self) -> bool:
        """True if the pages of the feed say that version 2 is spoken."""
        answer = self.ask("GET", "/ods/v1/changes?epoch=&since=0&limit=1")
        protocol = answer.json().get("protocol", 1) if answer.status == requests.codes.ok else 1
        return isinstance(protocol, int) and protocol > 1

    def page(self, epoch: str = "", since: int = 0, limit: int = PAGE) -> dict[str, Any]:
        """A page of the feed."""
        return self.told("GET", f"/ods/v1/changes?epoch={epoch}&since={since}&limit={limit}")

    def pages(self, limit: int = PAGE, most: int = _MOST_PAGES) -> list[dict[str, Any]]:
        """The feed from its start, in at most so many pages."""
        found = [self.page(limit=limit)]
        while found[-1]["more"] and len(found) < most:
            found.append(self.page(found[-1]["epoch"], found[-1]["next"], limit))
        return found

    @functools.cached_property
    def items(self) -> list[dict[str, Any]]:
        """Every item of the feed, as it was when it was read first."""
        return [item for page in self.pages() for item in page["items"]]

    def of_kind(self, *kinds: str) -> list[dict[str, Any]]:
        """Items of these kinds."""
        return [item for item in self.items if item["kind"] in kinds]
