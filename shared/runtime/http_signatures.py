"""Signing between instances: RFC 9421 (message signatures) and RFC 9530 (Content-Digest), by library.

A request covers `@method`, `@path`, `@query`, `ods-recipient` and `content-digest`; created, expires (60 s), nonce, keyid
(the sender's instance id) and tag are parameters. The host is not covered, so proxies may change it; `Ods-Recipient` is, so a
request cannot be replayed to another instance. A response covers `@status`, `content-digest` and the request's own signature.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from http_message_signatures import (
    ContentDigest,
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)

from shared.core.errors import Unauthenticated
from shared.core.identity import InstanceId
from shared.runtime.keys import InstanceKey, public_key

TAG = "ods-peer-v1"
LABEL = "ods"
RECIPIENT_HEADER = "Ods-Recipient"
VALID_SECONDS = 60
CLOCK_SKEW_SECONDS = 60
MAX_SIGNATURE_HEADER = 2048
"""Longest Signature-Input or Signature that is parsed at all."""

REQUEST_COMPONENTS = ("@method", "@path", "@query", "ods-recipient", "content-digest")
"""What the signature of a request has to cover."""
_RESPONSE_COMPONENTS = ("@status", "content-digest", '"signature";req')


class ClockSkew(Unauthenticated):
    """The signature is valid in itself, and its time is not now: one of the two clocks is wrong."""

    default_code = "CLOCK_SKEW"
    sender: str | None = None
    """Instance id of who signed it; none while that is not verified."""
    seconds: float = 0.0
    """How far the clock of the sender is ahead of ours, about."""


@dataclass
class Request:
    """What a signature sees of a request. `target` is the raw path and query as sent."""

    method: str
    target: str
    headers: dict[str, str]

    @property
    def url(self) -> str:
        """An absolute URL for the library; its host is not covered."""
        return f"http://ods{self.target}"


@dataclass
class Response:
    """What a signature sees of a response."""

    status_code: int
    headers: dict[str, str]
    request: Request


@dataclass(frozen=True, slots=True)
class Verified:
    """Who signed a request, and what makes it unique."""

    sender: InstanceId
    nonce: str
    expires: int


@dataclass
class _Keys(HTTPSignatureKeyResolver):
    private: InstanceKey | None = None
    find_public: Callable[[str], bytes | None] = field(default=lambda _id: None)
    secret: Any = None

    def resolve_private_key(self, _key_id: str) -> Any:
        if self.secret is not None:
            return self.secret
        assert self.private is not None
        return self.private.private

    def resolve_public_key(self, key_id: str) -> Any:
        raw = self.find_public(key_id)
        return public_key(raw) if raw else None


class _Verifier(HTTPMessageVerifier):
    max_clock_skew = dt.timedelta(seconds=CLOCK_SKEW_SECONDS)


class _Timeless(HTTPMessageVerifier):
    """Looks at the signature alone. The library looks at the time first, so that a skew says nothing about who signed."""

    def validate_created_and_expires(self, _sig_input: Any, max_age: Any = None) -> None:
        """Any time will do."""


@dataclass(frozen=True, kw_only=True)
class Signing:
    """How a request is signed. The defaults are what peers accept; whoever tries a peer may have one of them otherwise."""

    key: InstanceKey
    key_id: str | None = None
    """The id of the key, unless given."""
    created: dt.datetime | None = None
    """Now, unless given."""
    expires: dt.datetime | None = None
    """A minute after `created`, unless given."""
    nonce: str | None = field(default_factory=lambda: secrets.token_urlsafe(18))
    tag: str | None = TAG
    label: str = LABEL
    components: tuple[str, ...] = REQUEST_COMPONENTS
    algorithm: type[algorithms.HTTPSignatureAlgorithm] = algorithms.ED25519
    secret: Any = None
    """What `algorithm` signs with, if it is not the key."""

    def sign(self, request: Request, body: bytes) -> None:
        """Add Content-Digest, Signature-Input and Signature to `request.headers`."""
        created = self.created or dt.datetime.now(dt.UTC)
        HTTPMessageSigner(signature_algorithm=self.algorithm, key_resolver=_Keys(self.key, secret=self.secret)).sign(
            request,
            key_id=str(self.key.instance_id) if self.key_id is None else self.key_id,
            created=created,
            expires=self.expires or created + dt.timedelta(seconds=VALID_SECONDS),
            nonce=self.nonce,
            label=self.label,
            tag=self.tag,
            covered_component_ids=self.components,
            body=body if "content-digest" in self.components else None,
        )


def sign_request(request: Request, key: InstanceKey, recipient: InstanceId, body: bytes = b"") -> None:
    """Add Ods-Recipient, Content-Digest, Signature-Input and Signature to `request.headers`."""
    request.headers[RECIPIENT_HEADER] = str(recipient)
    Signing(key=key).sign(request, body)


def sign_response(response: Response, key: InstanceKey, body: bytes) -> None:
    """Add Content-Digest, Signature-Input and Signature, tied to the request's signature."""
    HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=_Keys(key)).sign(
        response,
        key_id=str(key.instance_id),
        label=LABEL,
        tag=TAG,
        covered_component_ids=_RESPONSE_COMPONENTS,
        body=body,
    )


def verify_request(request: Request, me: InstanceId, find_public: Callable[[str], bytes | None]) -> Verified:
    """Who signed this request, if it is whole, fresh and meant for `me`. The body is checked by `check_body`.

    `find_public` returns the raw key of a known, active peer by its id. Replays are the caller's to refuse, by `nonce`.

    Raises:
        ClockSkew: if only the time is wrong.
        Unauthenticated: for every other fault; its message is for the log only.
    """
    headers = {name.lower(): value for name, value in request.headers.items()}
    _refuse_giants(headers)
    if headers.get("ods-recipient") != str(me):
        raise Unauthenticated("the request is meant for another instance")
    try:
        return _one(_verified(_Verifier, request, find_public))
    except ClockSkew as skew:
        parameters = _verified(_Timeless, request, find_public)[0].parameters
        skew.sender, skew.seconds = str(parameters.get("keyid")), _ahead(parameters.get("created"))
        raise


def _ahead(created: object) -> float:
    return created - dt.datetime.now(dt.UTC).timestamp() if isinstance(created, int) else 0.0


def _verified(verifier: type[HTTPMessageVerifier], request: Request, find_public: Callable[[str], bytes | None]) -> list[Any]:
    try:
        return verifier(signature_algorithm=algorithms.ED25519, key_resolver=_Keys(None, find_public)).verify(
            request,
            max_age=dt.timedelta(seconds=VALID_SECONDS),
            expect_tag=TAG,
            require_components=REQUEST_COMPONENTS,
        )
    except InvalidSignature as error:
        raise _reason(error) from error
    except (HTTPMessageSignaturesException, ValueError, TypeError) as error:
        raise Unauthenticated(f"the signature cannot be read: {error}") from error


def verify_response(response: Response, body: bytes, sender: InstanceId, sender_key: bytes) -> None:
    """Accept a response only if `sender` made it for this very request.

    Raises:
        Unauthenticated: if it is unsigned, signed by another, or for another request or body.
    """
    _refuse_giants({name.lower(): value for name, value in response.headers.items()})
    keys = _Keys(None, lambda key_id: sender_key if key_id == str(sender) else None)
    try:
        _Verifier(signature_algorithm=algorithms.ED25519, key_resolver=keys).verify(
            response,
            max_age=dt.timedelta(seconds=VALID_SECONDS),
            expect_tag=TAG,
            require_components=_RESPONSE_COMPONENTS,
            body=body,
        )
    except (InvalidSignature, HTTPMessageSignaturesException, ValueError, TypeError) as error:
        raise Unauthenticated(f"the answer is not properly signed: {error}") from error


def check_body(headers: Mapping[str, str], body: bytes) -> None:
    """Accept a request body only if it has the (signed) Content-Digest.

    Raises:
        Unauthenticated: if it has not.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    try:
        ContentDigest.verify(lowered.get("content-digest", ""), body)
    except (InvalidSignature, HTTPMessageSignaturesException, ValueError, TypeError) as error:
        raise Unauthenticated(f"the body is not the one that was signed: {error}") from error


def _refuse_giants(headers: Mapping[str, str]) -> None:
    if any(len(headers.get(name, "")) > MAX_SIGNATURE_HEADER for name in ("signature", "signature-input", "content-digest")):
        raise Unauthenticated("a signature header is too long")


def _reason(error: InvalidSignature) -> Unauthenticated:
    text = str(error)
    skewed = any(hint in text for hint in ("in the future", "in the past", "age exceeds"))
    return (ClockSkew if skewed else Unauthenticated)(text)


def _one(results: list[Any]) -> Verified:
    if len(results) != 1:
        raise Unauthenticated("more than one signature")
    parameters = results[0].parameters
    nonce, expires = parameters.get("nonce"), parameters.get("expires")
    if not isinstance(nonce, str) or not 8 <= len(nonce) <= 128 or not isinstance(expires, int):  # noqa: PLR2004 - bounds of a nonce
        raise Unauthenticated("the signature has no usable nonce or expiry")
    if expires - parameters["created"] > 2 * VALID_SECONDS:
        raise Unauthenticated("the signature would be valid for too long")
    return Verified(InstanceId(str(parameters["keyid"])), nonce, expires)
